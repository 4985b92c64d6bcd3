"""The HTML pages, each with a JSON document for clients other than browsers.

Templates and static files are beside the modules.
"""
