"""Preparation of a data set for training: duplicates, splits, augmentation, input pipeline."""
