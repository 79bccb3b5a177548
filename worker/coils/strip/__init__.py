"""What cameras show of a strip, in millimetres: stretches, coverage, defects."""
