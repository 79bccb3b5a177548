"""Fit of a classifier: settings, training loop, checkpoints, devices."""
