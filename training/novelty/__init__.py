"""Fit of the novelty detector: features of the training frames, detector, and threshold."""
