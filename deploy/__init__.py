"""Deployment files. The only code here generates the Grafana boards."""
