"""An explanation as JSON, for `stream-app explain --json` and POST /v1/explain; schemas/openapi.json describes it."""

from __future__ import annotations

from typing import Any

import orjson

from stream_app.contract.enriched import encode_model
from stream_app.records import LABELS, Explanation, SentenceScores, WordWeights


def encode_explanation(explanation: Explanation) -> bytes:
    """One JSON object. Offsets count the code points of its ``text``; probabilities and weights have 4 decimals."""
    sentiment = explanation.sentiment
    return orjson.dumps(
        {
            "text": explanation.text,
            "text_start": explanation.text_start,
            "language": explanation.language,
            "truncated": explanation.truncated,
            "model": encode_model(explanation.model),
            "sentiment": {
                "label": sentiment.label,
                "confidence": sentiment.confidence,
                "scores": dict(zip(LABELS, sentiment.scores, strict=True)),
            },
            "flags": explanation.flags,
            "safety_words": explanation.safety_words,
            "sentences": [_sentence(explanation.text, one) for one in explanation.sentences],
            "words": None if explanation.words is None else _words(explanation.text, explanation.words),
        }
    )


def _sentence(text: str, sentence: SentenceScores) -> dict[str, Any]:
    judged = sentence.probabilities
    return {
        "start": sentence.start,
        "end": sentence.end,
        "text": text[sentence.start : sentence.end],
        "label": None if judged is None else LABELS[judged.index(max(judged))],
        "scores": None if judged is None else {label: round(p, 4) for label, p in zip(LABELS, judged, strict=True)},
        "hazard": round(sentence.hazard, 4),
        "aspects": sentence.aspects,
    }


def _words(text: str, words: WordWeights) -> dict[str, Any]:
    return {
        "with_words": round(words.with_words, 4),
        "without_words": round(words.without_words, 4),
        "error": round(words.error, 4),
        "complete": words.complete,
        "weights": [
            {"start": one.start, "end": one.end, "word": text[one.start : one.end], "weight": round(one.weight, 4)}
            for one in words.words
        ],
    }
