"""Settings: the data model, the loader for files, environment and flags, and the shared command-line options."""
