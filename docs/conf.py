"""Settings of the documentation's build."""

from importlib.metadata import version as version_of

project = "Flask-SKModels"
author = "Flask-SKModels developers"
copyright = f"2026 {author}"
release = version_of("Flask-SKModels")
version = release

extensions = ["sphinx.ext.autodoc", "sphinx.ext.doctest"]
exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
doctest_test_doctest_blocks = "default"

html_theme = "alabaster"
html_theme_options = {"description": "scikit-learn pipelines, served by your Flask application"}
html_show_sourcelink = False
