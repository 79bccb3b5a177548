"""The path of a frame: consume, inspect, produce."""
