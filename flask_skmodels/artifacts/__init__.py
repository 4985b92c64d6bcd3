"""Files that hold estimators: how an application declares them, and how they are loaded safely.

One file a format; ``loading`` chooses among them.
"""
