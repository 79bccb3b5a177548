"""Comparison of shifts: their times in the plant's time zone, and the figures of their coils."""
