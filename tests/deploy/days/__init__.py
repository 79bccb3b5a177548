"""Days of a plant as data: what Prometheus scrapes on them, and exactly the alerts that fire."""
