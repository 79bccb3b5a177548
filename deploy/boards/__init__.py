"""The Grafana boards as data, and their conversion to Grafana's JSON."""
