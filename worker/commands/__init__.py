"""Administrative commands: topics, rejects, schemas, config."""
