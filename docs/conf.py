"""Settings of Sphinx: https://www.sphinx-doc.org/en/master/usage/configuration.html"""

from stripwatch.worker.common.version import __version__

project = "Stripwatch"
author = "The Stripwatch authors"
copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["generate", "**/__pycache__"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # generated pages start some sections below the second level
nitpicky = True
autodoc_typehints = "description"
smartquotes = False  # texts of the program are to be copied as they are
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_title = f"Stripwatch {release}"
html_copy_source = False
