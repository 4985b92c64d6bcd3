"""Files that contain estimators: their declaration in an application, and their safe loading.

Each format has a module; ``loading`` chooses among them.
"""
