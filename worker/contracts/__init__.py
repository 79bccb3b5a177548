"""Data types and names shared across packages: frames, events, topics, record headers, positions."""
