"""Encoded images: headers, decoding, statistics of pixels, files in a folder."""
