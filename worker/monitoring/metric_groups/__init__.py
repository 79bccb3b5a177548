"""Groups of metrics: of the frames, Kafka and the observers of a worker, and their base."""
