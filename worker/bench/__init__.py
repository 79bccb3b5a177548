"""Demo and benchmarks: a simulated line around the real worker."""
