"""Results of an evaluation: their schemas in the run folder, and the figures at a threshold."""
