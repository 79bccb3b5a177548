"""Models that are trained on clean frames only and find whatever differs from them."""
