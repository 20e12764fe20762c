"""Measures the system on this machine: `make bench`. Claims are ratios, taken in one run."""
