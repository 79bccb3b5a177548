"""Plain data and names that others rely on: frames, events, topics, record headers, positions."""
