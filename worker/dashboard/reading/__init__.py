"""Readers of Kafka for the live page."""
