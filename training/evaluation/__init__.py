"""Evaluation of a model: predictions, metrics, calibration, thresholds, plots."""
