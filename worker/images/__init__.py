"""Image files and raw buffers: headers, decoding, pixel statistics, and lists of the image files in a folder."""
