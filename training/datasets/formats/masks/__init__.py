"""Masks in the encodings of labelling tools, and the classes of their pixels."""
