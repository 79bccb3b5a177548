"""The live page: Kafka in, one page out. It writes nothing to Kafka and is in no group."""
