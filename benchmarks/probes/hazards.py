"""How well a classifier finds sentences about hazards, by threshold, and how often it would alarm on real reviews.

python -m benchmarks.probes.hazards --model FOLDER --reviews reviews.jsonl     steps/opinions.HAZARD_THRESHOLD follows
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_MOST_STARS = 3


@dataclass(frozen=True)
class Found:
    """Counts at a threshold."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + self.wrong)

    @property
    def recall(self) -> float:
        return self.right / max(1, self.right + self.missed)


def found_at(threshold: float, hazards: Sequence[float], truth: Sequence[bool]) -> Found:
    """``hazards``: the probability of each text, the largest of its sentences."""
    said = [one >= threshold for one in hazards]
    pairs = list(zip(said, truth, strict=True))
    return Found(pairs.count((True, True)), pairs.count((True, False)), pairs.count((False, True)))


def main() -> None:
    from stream_app.models.classifier import find_classifier
    from stream_app.models.device import DeviceChoice, find_device
    from stream_app.models.loading import silence_libraries
    from stream_app.steps.safety import safety_words_in_each
    from stream_app.training.evaluate import answers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bundled", help="a classifier's name or folder, with sentence heads")
    parser.add_argument("--language", default="en")
    data = Path(str(files("stream_app.training"))) / "data" / "hazard_sentences_dev.jsonl"
    parser.add_argument("--sentences", type=Path, default=data, help="lines of {text, hazard, language}")
    parser.add_argument("--reviews", type=Path, help="lines of {text, title, rating or label}: how many would alarm")
    parser.add_argument("--show", type=float, help="print reviews without safety terms that alarm at this threshold")
    options = parser.parse_args()
    silence_libraries()
    where = find_device()[0]
    classifier = find_classifier(options.model).on(DeviceChoice(where, "fp32", 1, "", "torch"))

    rows = [row for row in _rows(options.sentences) if row.get("language", options.language) == options.language]
    texts = [row["text"] for row in rows]
    truth = [row["hazard"] for row in rows]
    hazards = [max((one.hazard for one in of.sentences), default=0.0) for of in answers(classifier, texts)]
    worded = safety_words_in_each(texts)
    terms = found_at(0.5, [float(index in worded) for index in range(len(texts))], truth)
    print(f"{len(texts)} sentences, {sum(truth)} about hazards")
    print(f"terms alone: recall {terms.recall:.3f}, precision {terms.precision:.3f}")
    for threshold in _THRESHOLDS:
        alone = found_at(threshold, hazards, truth)
        either = found_at(threshold, [one if i not in worded else 1.0 for i, one in enumerate(hazards)], truth)
        print(
            f"from {threshold}: recall {alone.recall:.3f}, precision {alone.precision:.3f}; "
            f"with terms {either.recall:.3f}, {either.precision:.3f}"
        )
    if options.reviews:
        _alarming(classifier, options.reviews, options.show)


def _alarming(classifier: Any, path: Path, show: float | None) -> None:
    from stream_app.steps.safety import safety_words_in_each
    from stream_app.training.evaluate import answers

    rows = [row for row in _rows(path) if _is_discontent(row)]
    texts = [f"{row.get('title') or ''}. {row['text']}".removeprefix(". ") for row in rows]
    worded = safety_words_in_each(texts)
    print(f"{len(texts)} reviews of at most {_MOST_STARS} stars or negative; {len(worded)} have safety terms")
    scores = answers(classifier, texts)
    surest = [max(of.sentences, key=lambda one: one.hazard, default=None) for of in scores]
    unnamed = [(one, text) for i, (one, text) in enumerate(zip(surest, texts, strict=True)) if one and i not in worded]
    for threshold in _THRESHOLDS:
        print(f"from {threshold}: {sum(one.hazard >= threshold for one, _ in unnamed)} without terms alarm")
    for one, text in unnamed:
        if show is not None and one.hazard >= show:
            print(f"{one.hazard:.3f} {text[one.start : one.end]}")


def _is_discontent(row: dict[str, Any]) -> bool:
    rating = row.get("rating")
    return rating <= _MOST_STARS if isinstance(rating, (int, float)) else row.get("label") in ("negative", "neutral")


def _rows(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()]


if __name__ == "__main__":
    main()
