"""Conversion of a run to a bundle: convert, quantize, compare with Keras, pack, verify."""
