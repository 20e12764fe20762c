"""Enriches product reviews from Kafka with BERT and T5, and keeps a rolling summary per product in Redis.

 reviews ─► enrich ─┬─► reviews.enriched ─► summarize ─► Redis ─► api, page (product pages)
            (GPU)   ├─► reviews.alerts ◄──────┘ (spikes)   │ ▲
                    │        └─► notify ─► webhook, log    due │ text
                    └─► reviews.dead-letter                ▼ │
                                                         describe (GPU) ─► products.summaries

Each role is a process of its own; each arrow between them is a topic or Redis. Start at ``roles/``.
"""
