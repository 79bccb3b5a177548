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
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["generate", "**/__pycache__"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # generated pages start some sections below the second level
nitpicky = True
# Only the public API has entries. Types of other packages would need their inventories, which are on the internet.
nitpick_ignore_regex = [("py:.*", r"(?!stripwatch\.\w+$).*")]
default_role = "code"  # in docstrings
add_module_names = False
autodoc_typehints = "both"
autodoc_typehints_description_target = "documented"
maximum_signature_line_length = 100
autodoc_mock_imports = ["keras", "tensorflow", "tf2onnx"]  # they take seconds, and only signatures are needed
autodoc_type_aliases = {
    "Bundle": "stripwatch.worker.model.bundle.Bundle",
    "LoadedModel": "stripwatch.worker.model.loaded_model.LoadedModel",
    "Result": "stripwatch.worker.contracts.events.Result",
}
smartquotes = False  # texts of the program are to be copied as they are
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_title = f"Stripwatch {release}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]
