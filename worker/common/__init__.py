"""What every part needs and the project could have taken from a library: errors, logs, clocks, child processes."""
