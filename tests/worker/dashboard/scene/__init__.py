"""A busy installation for tests and screenshots of the page, served without Kafka."""
