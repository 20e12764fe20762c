"""`stream-app models`: the models that are known by name; fetch, list, show, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Column, Table

from stream_app.commands.options import Json, settings_from
from stream_app.models.catalog import CATALOG, FETCHABLE, known
from stream_app.models.model_facts import facts_of
from stream_app.models.model_store import ModelStore

app = typer.Typer(no_args_is_help=True, help="The models that are known by name.")
console = Console(stderr=True)
_NAMES = ", ".join(CATALOG)
_COLUMNS = ("name", "kind", "languages", "licence", "state", "MB", "hash")

Name = Annotated[str, typer.Argument(help=f"One of {_NAMES}.")]


@app.command()
def fetch(names: Annotated[list[str] | None, typer.Argument(help="Default: all that can be fetched.")] = None) -> None:
    """Fetch base encoders into STREAM_APP_MODELS_FOLDER, once: checked by SHA-256, converted to safetensors.

    Afterwards they are used without the network. A damaged one is fetched again. Needs the extra `models`.
    """
    store = _store()
    for model in [known(name) for name in names] if names else FETCHABLE:
        folder = store.fetch(model, say=_say)
        _say(f"{model.name} is in {folder}")


@app.command(name="list")
def list_(as_json: Json = False) -> None:
    """Bundled, fetched and fetchable models, with size, licence, languages and the state of their hashes."""
    store = _store()
    rows = [facts_of(model, store) for model in CATALOG.values()]
    if as_json:
        for row in rows:
            print(orjson.dumps(row).decode())
        return
    table = Table(*(Column(name, overflow="fold") for name in _COLUMNS), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in _COLUMNS))
    # a name that is cut cannot be copied
    Console(width=None if Console().is_terminal else 200).print(table)


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """What is known of a model: its numbers, hashes and folder, then its card."""
    model, store = known(name), _store()
    facts = facts_of(model, store)
    if as_json:
        print(orjson.dumps(facts).decode())
        return
    for fact, value in facts.items():
        print(f"{fact:30} {_cell(value)}")
    card = Path(facts["folder"] or "") / "README.md"
    if model.bundled or (model.published and facts["folder"]):
        print(f"\n{card.read_text(encoding='utf-8')}", end="")


@app.command()
def export(
    name: Name, folder: Annotated[Path, typer.Argument(help="A new folder, which transformers' from_pretrained reads.")]
) -> None:
    """Write a model as a folder of its own: config.json, safetensors, tokenizer and card."""
    from stream_app.models.export import export as write

    write(known(name), _store(), folder)
    _say(f"{name} is in {folder}")


def _store() -> ModelStore:
    return ModelStore.of(settings_from())


def _say(line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return " ".join(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
