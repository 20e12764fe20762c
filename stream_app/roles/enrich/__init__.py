"""The role that enriches: reviews in, enriched reviews, alerts and dead letters out, in order per partition."""
