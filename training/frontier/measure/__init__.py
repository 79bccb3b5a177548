"""Measurements of candidates: accuracy by cross-validation, and the processor time of a frame."""
