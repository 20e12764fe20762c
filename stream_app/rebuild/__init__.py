"""Makes the view again from the log, as a new generation, while the old one serves."""
