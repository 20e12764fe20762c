"""A training of the classifier that takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from stream_app.models.base_encoder import base_encoder_folder
from stream_app.models.device import DeviceChoice
from stream_app.training.sentiment import train_sentiment
from stream_app.training.sentiment_data import Recipe
from stream_app.training.sentiment_trainer import SentimentTraining
from tests.unit.training.reviews import rows, write

CPU = DeviceChoice("cpu", "fp32", 1, "for tests")
ASPECTS = {"durability": "how long it lasts", "value": "whether it is worth its price"}
SENTENCES: list[dict[str, Any]] = [
    {"text": "The lid broke.", "label": "negative"},
    {"text": "It caught fire.", "hazard": True},
    {"text": "It is warm.", "hazard": False},
    {
        "domain": "kettles",
        "clauses": [{"text": "cheap", "aspects": ["Price"]}, {"text": "and red", "aspects": ["None"]}],
    },
]


def two_sided() -> list[dict[str, object]]:
    return [row for row in rows() if row.get("label") != "neutral" and row.get("rating") != 3]


def train(
    folder: Path,
    output: str,
    method: Literal["lora", "full"] = "lora",
    *,
    heads_only: bool = False,
    seed: int = 1,
    epochs: int = 2,
    reviews: list[dict[str, object]] | None = None,
    **others: Any,
) -> SentimentTraining:
    file = write(folder / "reviews.jsonl", reviews or rows())
    # the held-out sentences are those whose hash is small: some of so many texts
    sentences = write(
        folder / "sentences.jsonl",
        [row | ({"text": f"{row['text']} {n}"} if "text" in row else {}) for n in range(9) for row in SENTENCES],
    )
    return train_sentiment(
        train=[file],
        sentences=[sentences],
        dev=[file],
        output=folder / output,
        checkpoint=folder / f"{output}.checkpoint",
        choice=CPU,
        base=base_encoder_folder(),
        recipe=Recipe(
            base="all-MiniLM-L6-v2",
            method=method,
            layers=2 if method == "full" else None,
            epochs=epochs,
            rank=2,
            batch_tokens=256,
            heads_only=heads_only,
            seed=seed,
        ),
        aspects=ASPECTS,
        clause_aspects={"kettles": {"Price": "value"}},
        **others,
    )
