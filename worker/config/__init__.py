"""The settings: their model, where they are read from, and the command-line options that set them."""
