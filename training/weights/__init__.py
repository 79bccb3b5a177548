"""Published checkpoints of other frameworks, converted to Keras weights files."""
