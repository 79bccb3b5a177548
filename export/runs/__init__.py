"""A training run on disk, as training writes it and export reads it."""
