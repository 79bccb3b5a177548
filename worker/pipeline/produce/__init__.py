"""Publishing events: records, delivery, and recovery of a failed producer."""
