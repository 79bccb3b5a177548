"""Results gathered into coils: metres covered, defects merged along the strip, summaries."""
