"""HTML, charts and figures of reports."""
