"""Fit of the box regressor of a dense head."""
