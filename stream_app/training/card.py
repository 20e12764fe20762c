"""Writes a model's card: what it was trained on, when, how good it is, and what it should not be used for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from stream_app.models.adaptive_temperature import CARD_KEY as TEMPERATURE_KEY
from stream_app.models.adaptive_temperature import ONE, AdaptiveTemperature
from stream_app.models.precisions import CARD_FILE, CARD_KEY
from stream_app.training.data import describe_file


def write_card(
    output: Path,
    *,
    title: str,
    purpose: str,
    limits: Sequence[str],
    train: Sequence[Path],
    dev: Sequence[Path],
    recipe: Mapping[str, Any],
    scores: Mapping[str, Any],
    temperature: AdaptiveTemperature = ONE,
    learned_aspects: Sequence[str] = (),
) -> None:
    """Write ``card.json`` (for programs) and ``README.md`` (for people) into the folder ``output``.

    Data files are named with their number of rows and SHA-256, so that a score can be traced to its data.
    """
    card = {
        "title": title,
        "purpose": purpose,
        "trained_at": datetime.now(UTC).date().isoformat(),
        "train": [asdict(describe_file(path)) for path in train],
        "dev": [asdict(describe_file(path)) for path in dev],
        "recipe": dict(recipe),
        "scores": dict(scores),
        **({TEMPERATURE_KEY: asdict(temperature)} if temperature != ONE else {}),
        **({"learned_aspects": list(learned_aspects)} if learned_aspects else {}),
        "limits": list(limits),
    }
    output.mkdir(parents=True, exist_ok=True)
    _write(card, output)


def state_precisions(folder: Path, facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Add to the card in ``folder`` how precisions compare with fp32. Raises OSError where there is no card."""
    card = orjson.loads((folder / CARD_FILE).read_bytes())
    _write(card | {CARD_KEY: dict(facts)}, folder)


def state_temperature(folder: Path, temperature: AdaptiveTemperature) -> None:
    """State it in the card in ``folder``, from where it is applied. Raises OSError where that cannot be written."""
    card = orjson.loads((folder / CARD_FILE).read_bytes())
    _write(card | {TEMPERATURE_KEY: asdict(temperature)}, folder)


def _write(card: Mapping[str, Any], folder: Path) -> None:
    for_people = _for_people(card)  # first: a card that lacks something stays as it is
    (folder / CARD_FILE).write_bytes(orjson.dumps(card, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    (folder / "README.md").write_text(for_people, encoding="utf-8")


def _for_people(card: Mapping[str, Any]) -> str:
    lines = [f"# {card['title']}", "", card["purpose"], "", f"Trained {card['trained_at']}.", "", "## Data", ""]
    lines += ["| used for | file | rows | SHA-256 |", "|---|---|---|---|"]
    for use in ("train", "dev"):
        lines += [f"| {use} | {one['name']} | {one['rows']:,} | {one['sha256'][:16]}… |" for one in card[use]]
    lines += ["", "## Scores on the development data", "", "| score | value |", "|---|---|"]
    lines += [f"| {name} | {_shown(value)} |" for name, value in flat(card["scores"])]
    if card.get(CARD_KEY):
        lines += ["", "## Precisions, compared with fp32", "", "| precision | | |", "|---|---|---|"]
        lines += [
            f"| {precision} | {name.replace('_', ' ')} | {_shown(value)} |"
            for precision, facts in card[CARD_KEY].items()
            for name, value in facts.items()
        ]
    if of := card.get(TEMPERATURE_KEY):
        text = f"exp({of['intercept']:.2f} + {of['slope']:.2f} H), H the entropy of its probabilities by ln(labels)"
        lines += ["", "## Confidence", "", f"stream-app divides the logits of a review by its temperature: {text}."]
    lines += ["", "## Limits", "", *(f"- {limit}" for limit in card["limits"])]
    lines += ["", "## Recipe", "", *(f"- {name}: {value}" for name, value in card["recipe"].items())]
    return "\n".join(lines) + "\n"


def flat(scores: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in scores.items():
        if isinstance(value, Mapping):
            rows += flat(value, f"{before}{name} ")
        else:
            rows.append((f"{before}{name}".replace("_", " "), value))
    return rows


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
