"""Kafka clients: consumers, producers, administration and TLS."""
