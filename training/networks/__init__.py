"""Backbones, heads and the classifier made of them."""
