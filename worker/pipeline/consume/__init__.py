"""Reading frames from Kafka: consumer, start positions, rebalances, offsets, backpressure."""
