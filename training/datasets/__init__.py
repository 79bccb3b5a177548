"""Data sets and how they lie on disk."""
