"""Files that hold estimators: their declaration in an application, and how they are loaded safely.

There is a module for each format; ``loading`` chooses among them.
"""
