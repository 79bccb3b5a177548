"""HTML pages, charts and figures for reports."""
