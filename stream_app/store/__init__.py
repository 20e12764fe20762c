"""The rolling view in Redis or Valkey; redis is imported here only."""
