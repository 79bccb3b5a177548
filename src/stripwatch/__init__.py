"""Stripwatch inspects moving steel strip: frames from Kafka in, defect events out."""
