"""From a data set to batches: duplicates, splits, augmentation, input pipeline."""
