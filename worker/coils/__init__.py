"""Coils: results aggregated into covered lengths, defects merged along the strip, and summaries."""
