"""A simulated line: steel, defects, cameras, and the frames they send."""
