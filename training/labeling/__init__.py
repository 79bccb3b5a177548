"""Frames from the line that a person labels, and their way back into a data set."""
