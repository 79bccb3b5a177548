"""Monitoring of a worker: metrics, health endpoints, readiness log, systemd notifications."""
