"""Frames in, defect events out. docs/explanation/frame-path.md follows one frame through the packages."""
