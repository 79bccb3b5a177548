"""Building blocks of the settings model: rules for all values, names in Kafka, and the paths of nested settings."""
