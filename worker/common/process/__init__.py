"""This process and its children: processor cores, memory, signals, threads."""
