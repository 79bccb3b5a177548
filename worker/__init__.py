"""Frames in, defect events out. `ls worker/` is the path of a frame; ARCHITECTURE.md says who owns what."""

__version__ = "0.1.0"
