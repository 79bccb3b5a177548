"""What a worker shows of itself: metrics, health, readiness, systemd."""
