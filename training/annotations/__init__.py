"""Annotations of defect locations: boxes and masks."""
