"""Assign frames to coils and summarize them."""
