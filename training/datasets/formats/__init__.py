"""Formats of annotation files: boxes, polygons and masks, as labelling tools write them."""
