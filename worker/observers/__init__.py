"""Observers, which are notified of every frame and must not delay it: evidence, review, shadow, drift."""
