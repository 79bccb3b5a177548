"""Differences between an exported model and the Keras model, and what the manifest states about them."""
