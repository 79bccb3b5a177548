"""Candidates and the choice among them, as pure functions without TensorFlow."""
