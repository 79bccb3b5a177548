"""Image files reduced to what decoding them takes, so that a decoder sees nothing that was not checked.

Metadata is where files differ most, and where decoders go wrong: OpenCV turns a TIFF file by its orientation also where
it is told not to, multiplies colours by their alpha, and lets libraries write warnings to stderr.
"""
