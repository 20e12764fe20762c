"""The models: torch and transformers live here and in training only."""
