"""The Grafana boards as data, and how they become Grafana's JSON."""
