"""The OpenAPI 3.1 document, made from the schemas and the estimators of the models.

The views that serve it are in ``pages.api_docs``.
"""
