"""A report of a data set before anybody trains on it."""
