"""The OpenAPI 3.1 document of an application's models, made from their schemas and estimators.

The views that serve the document are in ``pages.api_docs``.
"""
