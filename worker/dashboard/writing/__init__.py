"""What people at the page write to Kafka."""
