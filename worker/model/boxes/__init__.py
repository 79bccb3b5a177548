"""Boxes that a model predicts for each cell of its heatmaps."""
