"""The documentation: pages in Markdown, and `docs.generate`, which writes the reference from the code."""
