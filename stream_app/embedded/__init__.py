"""Apache Kafka and Valkey, started on loopback from packages alone: for `demo`, `services` and the tests."""
