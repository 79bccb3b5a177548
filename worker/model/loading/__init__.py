"""From a file or a registry to a model that is ready: verification, self-test and warm-up."""
