"""State of a coil: simple limits and the severity of classes."""
