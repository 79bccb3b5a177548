"""What the first bytes of an image file declare, read before any pixel is decoded."""
