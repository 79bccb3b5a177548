"""`python -m docs.generate` writes the reference pages to docs/reference; a test compares them with the code."""

from docs.generate.pages import PAGES, REFERENCE

if __name__ == "__main__":
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page())
