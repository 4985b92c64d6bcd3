"""Files that contain estimators: their declaration in an application, and their safe loading.

``formats`` lists the formats; ``loading`` calls the reader of each.
"""
