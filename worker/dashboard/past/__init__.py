"""Coils that the page no longer keeps in memory: they are found and read on Kafka on demand."""
