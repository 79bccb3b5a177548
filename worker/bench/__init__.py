"""The demo and the benchmark: a simulated line with the real worker."""
