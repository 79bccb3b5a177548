"""How good a model is: predictions, scores, calibration, thresholds, plots."""
