"""Contracts about a line as a whole: records that are neither about one frame nor about one coil."""
