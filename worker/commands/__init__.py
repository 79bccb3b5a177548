"""Commands beside the line: topics, rejects, schemas."""
