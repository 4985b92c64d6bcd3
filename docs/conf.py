"""Settings of the documentation's build."""

import doctest
from importlib.metadata import version as version_of

project = "Flask-SKModels"
author = "Flask-SKModels developers"
copyright = f"2026 {author}"
release = version_of("Flask-SKModels")
version = release

extensions = ["sphinx.ext.autodoc", "sphinx.ext.doctest", "sphinx_copybutton", "sphinx_design"]
exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
doctest_test_doctest_blocks = "default"
doctest_default_flags = doctest.ELLIPSIS | doctest.DONT_ACCEPT_TRUE_FOR_1  # compares messages too

# The copy button leaves out prompts and output, and keeps a command that goes on in the next line.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"

html_theme = "furo"
html_title = f"Flask-SKModels {version}"
html_logo = html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#2456c4", "color-brand-content": "#2456c4"},
    "dark_css_variables": {"color-brand-primary": "#8fb1ff", "color-brand-content": "#8fb1ff"},
    "navigation_with_keys": True,
}
