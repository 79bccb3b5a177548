"""Novelty detection: fit and threshold of the detector, and what it finds of frames that a model does not know."""
