"""The command-line framework and output for people."""
