"""State of the live page: counters, cards, coils and strip maps."""
