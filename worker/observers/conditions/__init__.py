"""Camera conditions that follow from the mean image statistics of a camera."""
