"""Benchmarks of bundles and runs."""
