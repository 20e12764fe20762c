"""What an evaluation needs beside its scores: reviews, sentences, the model's name and card."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stream_app.ports import ConfigurationError
from stream_app.settings import Settings

if TYPE_CHECKING:
    from stream_app.models.catalog import Kind
    from stream_app.training.data import LabelledReview
    from stream_app.training.rows import BadRow


def on_all_cores(settings: Settings) -> Settings:
    """The same with a CPU's cores for each batch, unless a number is set: an evaluation computes one after another."""
    from stream_app.models.device import cores

    return settings if settings.threads else settings.model_copy(update={"threads": cores(), "device_workers": 1})


def columns_of(options: Sequence[str] | None) -> dict[str, str]:
    """Field → column, from FIELD=NAME. Raises ConfigurationError."""
    from stream_app.training.data import FIELDS

    columns = {}
    for option in options or ():
        field, _, name = option.partition("=")
        if not name or field not in FIELDS:
            raise ConfigurationError(f"--column {option}: write FIELD=NAME, with one of {', '.join(FIELDS)}.")
        columns[field] = name
    return columns


def reviews_of(
    paths: Sequence[Path], columns: Sequence[str] | None, held_out: bool, aside: bool = False
) -> tuple[list[LabelledReview], dict[Path, list[BadRow]]]:
    """The reviews, and by file the bad rows. Only what a training does not learn from: where ``held_out`` those of some
    products, where ``aside`` those of each file that it fits the temperature on.
    """
    from stream_app.training.data import is_held_out, read_review_file
    from stream_app.training.sentiment_data import set_aside

    files = [read_review_file(path, columns_of(columns)) for path in paths]
    reviews = [one for file in files for one in (set_aside(file.reviews) if aside else file.reviews)]
    if aside and not reviews:
        raise ConfigurationError("--set-aside: a training sets a tenth of its first file aside, and here that is none.")
    if held_out:
        reviews = [one for one in reviews if one.product_id and is_held_out(one.product_id)]
        if not reviews:
            raise ConfigurationError("--held-out: no review is of a product (product_id) that is held out.")
    return reviews, {file.path: file.bad_rows for file in files}


def demand_trained_here(folder: Path) -> None:
    """Raise ConfigurationError for a folder that `stream-app train sentiment` did not write: its card is not read."""
    from stream_app.models import derived

    if not derived.is_derived(folder):
        raise ConfigurationError(f"{folder} is not a model that `stream-app train sentiment` wrote.")


def sampled(reviews: list[LabelledReview], most: int | None, seed: int) -> list[LabelledReview]:
    """``most`` of the reviews, drawn with ``seed``, in their order; None: all of them."""
    if most is None or most >= len(reviews):
        return reviews
    return [reviews[index] for index in sorted(random.Random(seed).sample(range(len(reviews)), most))]


def bad_rows_of(path: Path, columns: Mapping[str, str]) -> list[BadRow]:
    """The rows of a file that cannot be read."""
    from stream_app.training.rows import BadRow, read_rows

    return [row for row in read_rows(path, columns) if isinstance(row, BadRow)]


def model_of(name: str, kind: Kind) -> str:
    """The model's name, for the settings: ``bundled`` is the bundled one alone, without those of other languages."""
    from stream_app.models.catalog import BUNDLED

    return BUNDLED[kind] if name == "bundled" else name


def folder_of(name: str, settings: Settings) -> Path:
    """The folder of a model's files; one that does not exist where the model is of a hub."""
    from stream_app.models.catalog import CATALOG
    from stream_app.models.model_store import ModelStore

    known = CATALOG.get(name)
    return Path(name) if known is None or Path(name).is_dir() else ModelStore.of(settings).folder_of(known)
