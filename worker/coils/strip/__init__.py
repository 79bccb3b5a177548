"""The strip as seen by its cameras, in millimetres: stretches, coverage, defects."""
