"""Backbones, heads, and the classifier that combines them."""
