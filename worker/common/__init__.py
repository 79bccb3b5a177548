"""Helpers without domain knowledge that all packages use: errors, logs, clocks, child processes."""
