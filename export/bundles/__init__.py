"""Bundles that exist: show, compare, list."""
