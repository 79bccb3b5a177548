"""Readers of image file headers. They check a file before any pixel is decoded."""
