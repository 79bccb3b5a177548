"""Events out: records, delivery, recovery of a failed producer."""
