"""What a plant runs Stripwatch with. The only code here writes the Grafana boards."""
