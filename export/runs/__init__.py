"""The run folder on disk, which training writes and export reads."""
