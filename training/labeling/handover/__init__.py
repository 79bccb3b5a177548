"""Hands review frames to a labelling tool, with the boxes and scores of the model as pre-annotations."""
