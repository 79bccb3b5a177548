"""Frames in, defect events out. `ls worker/` is the path of a frame; ARCHITECTURE.md says who owns what."""
