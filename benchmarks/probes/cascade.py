"""What a cascade of two classifiers would reach: the small one's answer where it is confident, else the large one's.

    python -m benchmarks.probes.cascade --reviews amazon_dev.jsonl

For several shares of reviews that the large one reads: accuracy, macro-F1, accuracy without reviews of three stars, and
reviews/s of the cascade as a share of the small one's, from the rates of both with all reviews waiting in memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import orjson
from sklearn.metrics import accuracy_score, f1_score

from benchmarks.probes.batcher import drain
from stream_app.records import LABELS, Scores
from stream_app.settings import Settings
from stream_app.steps import prepare
from stream_app.steps.language import language_of

SMALL, LARGE = "bundled", "review-sentiment-en-large"
SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)


def read(model: str, texts: Sequence[str]) -> tuple[list[Scores], float]:
    """(scores, reviews/s) of all texts."""
    from stream_app.models.loading import load_models

    tuned = load_models(Settings(_env_file=None, sentiment_model=model, sentiment_models="", summaries="off")).sentiment
    sizes = tuned.micro_batch_tokens, tuned.batch_tokens, tuned.workers, tuned.tokenizers
    drain(tuned.model, texts[:200], *sizes)  # warm-up
    scores, seconds = drain(tuned.model, texts, *sizes)
    return scores, len(texts) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reviews", type=Path, required=True, help="JSONL with text, title and label")
    rows = [orjson.loads(line) for line in parser.parse_args().reviews.read_bytes().splitlines()]
    rows = [row for row in rows if language_of(row["text"], row.get("language"), row.get("title")) in ("en", "und")]
    texts = [prepare.Prepared(row["text"], row.get("title"), "en", True, 0, (), ()).model_text for row in rows]
    true = [row["label"] for row in rows]
    (small, small_rate), (large, large_rate) = read(SMALL, texts), read(LARGE, texts)
    unsure_first = sorted(range(len(rows)), key=lambda at: max(_probabilities(small[at])))
    print(f"{len(rows)} reviews; {SMALL} {small_rate:.1f} reviews/s, {LARGE} {large_rate:.1f}\n")
    print(
        "| read by the large one | accuracy | macro-F1 | without 3 stars | rate ÷ the small one's |\n"
        "|---|---|---|---|---|"
    )
    for share in SHARES:
        of_large = {*unsure_first[: round(share * len(rows))]}
        found = [_probabilities((large if at in of_large else small)[at]) for at in range(len(rows))]
        labels = [LABELS[one.index(max(one))] for one in found]
        binary = [
            (one[2] >= one[0]) == (label == "positive")
            for one, label in zip(found, true, strict=True)
            if label != "neutral"
        ]
        rate = 1 / (1 + share * small_rate / large_rate) if share < 1 else large_rate / small_rate
        print(
            f"| {share:.0%} | {accuracy_score(true, labels):.3f} | {f1_score(true, labels, average='macro'):.3f} "
            f"| {sum(binary) / len(binary):.3f} | {rate:.2f} |"
        )


def _probabilities(scores: Scores) -> tuple[float, float, float]:
    return scores.negative, scores.neutral, scores.positive


if __name__ == "__main__":
    main()
