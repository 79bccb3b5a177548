"""Frames in: the consumer, where it starts, rebalances, offsets, backpressure."""
