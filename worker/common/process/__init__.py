"""Utilities for this process and its children: processor cores, CPU time, memory, threads, ports."""
