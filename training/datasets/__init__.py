"""Data sets and their layouts on disk."""
