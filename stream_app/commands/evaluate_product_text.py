"""`stream-app evaluate product-text`: the texts of products against summaries that people wrote."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from stream_app.commands.evaluate_inputs import on_all_cores
from stream_app.commands.options import settings_from

_ROWS = {"choice": "this project's choice", "lexrank": "LexRank", "first_sentences": "first sentences"}

Data = Annotated[
    Path, typer.Option("--data", help="JSON lines with product_id, reviews and summaries (by people).", exists=True)
]
Report = Annotated[Path | None, typer.Option("--json", help="Write the scores to this file, too.")]
Words = Annotated[int | None, typer.Option(min=1, help="Words a text, about; default: the summaries' mean length.")]


def evaluate_product_text(data: Data, json: Report = None, words: Words = None) -> None:
    """ROUGE-1/2/L of the texts of products against people's summaries, beside LexRank and first sentences.

    All three choose from the sentences that the view keeps, and write texts of about the same length.
    """
    from stream_app.models.loading import load_embedder, load_sentiment_model
    from stream_app.models.sentence_space import SentenceSpace
    from stream_app.training.product_texts import TextScores, read_products, score_texts

    settings = on_all_cores(settings_from())
    products = read_products(data)
    embedder = load_embedder(settings)
    scores = score_texts(products, load_sentiment_model(settings).model, SentenceSpace(embedder), words)
    shown: dict[str, Any] = {"data": data.name, "nearness": "vectors" if embedder else "shared words"}
    shown |= {name: asdict(value) if isinstance(value, TextScores) else value for name, value in scores.items()}
    print(f"{scores['products']} products, texts of about {scores['words']} words, nearness by {shown['nearness']}")
    for name, words_shown in _ROWS.items():
        row = scores[name]
        print(f"{words_shown:24} ROUGE-1/2/L {row.rouge1:.1f} / {row.rouge2:.1f} / {row.rougeL:.1f}, {row.words} words")
    if json is not None:
        json.write_bytes(orjson.dumps(shown, option=orjson.OPT_INDENT_2))
        Console(stderr=True).print(f"Written to {json}")
