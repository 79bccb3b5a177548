"""A simulated line: the steel surface, its defects, and cameras that send frames."""
