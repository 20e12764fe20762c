"""Changes reviews in ways that should not change their label: typing errors, case, irrelevant sentences, emoji."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Sequence
from importlib.resources import files

from stream_app.ports import TextModel
from stream_app.records import Label, Scores
from stream_app.steps.language import language_by_script
from stream_app.training.data import LabelledReview
from stream_app.training.examples import with_typing_errors
from stream_app.training.flips import Flips, flips

_Change = Callable[[str, random.Random], str]


def robustness(
    model: TextModel[Scores], reviews: Sequence[LabelledReview], before: Sequence[Label], seed: int
) -> dict[str, Flips]:
    """By kind of change: the labels that flip. ``before``: the labels of the reviews as they are.

    Only reviews that a change changes are counted: Chinese has no upper case.
    """
    found = {}
    for name, change in _changes().items():
        changed = {}
        for number, review in enumerate(reviews):
            text = review.model_text
            if (other := change(text, random.Random(f"{seed} {name} {number}"))) != text:
                changed[number] = other
        found[name] = flips(model, changed, before)
    return found


def _changes() -> dict[str, _Change]:
    additions = tomllib.loads(
        files("stream_app.training").joinpath("data", "irrelevant.toml").read_text(encoding="utf-8")
    )

    def with_sentence(text: str, rng: random.Random) -> str:
        language = language_by_script(text) or "en"
        if language not in additions["sentences"]:
            return text
        sentence = rng.choice(additions["sentences"][language])
        join = "" if language == "zh" else " "
        return f"{text}{join}{sentence}" if rng.random() < 0.5 else f"{sentence}{join}{text}"

    def with_emoji(text: str, rng: random.Random) -> str:
        return f"{text} {''.join(rng.sample(additions['emoji']['without_sentiment'], 2))}"

    return {
        "typing_errors": with_typing_errors,
        "upper_case": lambda text, _: text.upper(),
        "lower_case": lambda text, _: text.lower(),
        "irrelevant_sentence": with_sentence,
        "emoji": with_emoji,
    }
