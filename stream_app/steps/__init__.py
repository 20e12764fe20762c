"""Pure steps: values in, values out; no clock, no environment, no randomness."""
