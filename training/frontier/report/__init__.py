"""The frontier as a table, a plot, a page and a text for people who decide."""
