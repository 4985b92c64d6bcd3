"""The HTML pages for browsers; other clients get the same content as JSON.

The templates and static files are in this folder too.
"""
