"""Boxes that an exported model predicts, compared with those of Keras."""
