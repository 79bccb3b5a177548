"""Fitting a classifier: settings, training loop, checkpoints, devices."""
