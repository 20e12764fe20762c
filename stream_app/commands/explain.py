"""`stream-app explain`: what the classifier answers to a review, and why."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from stream_app.commands.options import Json, settings_from
from stream_app.ports import ConfigurationError
from stream_app.records import NotExplained, Review
from stream_app.settings import Settings

app = typer.Typer()

_BYTES_OF_A_CHARACTER = 4  # of UTF-8, at most
_HOW = "Give it as TEXT, as - for standard input, or with --file."


@app.command()
def explain(
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="The review. - : read it from standard input.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Read the review from this file, plain text in UTF-8.")] = None,
    title: Annotated[str | None, typer.Option(help="The review's title, which is read before it.")] = None,
    language: Annotated[
        str | None,
        typer.Option(help="What a shop states: en, zh, … Default: recognized. The script of TEXT wins over it."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Folder, name@revision or name in `models list`: it reads TEXT, whatever its language."),
    ] = None,
    words: Annotated[
        bool, typer.Option("--words", help="What each word adds to the label, or takes from it. Takes seconds.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the label of one review, what each sentence says, and which words made the label.

    It is read as `enrich` reads it: cleaned, private data masked, by its language's classifier.
    Nothing is sent anywhere; neither Kafka nor Redis is needed.

    --words: a weight is what the word adds to the log-odds of the label, ln(P / (1 - P)).
    +0.7 doubles the odds, -0.7 halves them. Blue words add, orange ones take away.
    A weight says what moved the model, not what is true of the product.
    A word of several pieces is one; a Chinese character is one.

    --json: one object. Offsets count the code points of its text, which is what the model read.

    stream-app explain "The lid broke after a week, but I love the colour." --words
    """
    settings = _settings(model)
    review = Review("", "", 0, "created", 0, title=title, text=_read(text, file, settings), language=language)
    from stream_app import contract
    from stream_app.commands.explanation_view import show
    from stream_app.models.loading import new_explainer

    found = new_explainer(settings, threads=settings.threads).explain(review, words=words)
    if isinstance(found, NotExplained):
        raise ConfigurationError(f"{found.reason}: {found.detail}. {found.next_step}")
    if as_json:
        print(contract.encode_explanation(found).decode())
    else:
        show(found)


def _settings(model: str | None) -> Settings:
    settings = settings_from(sentiment_model=model)
    if model is None:
        return settings
    return settings.model_copy(update={"sentiment_models": "", "model_languages": "any"})


def _read(text: str | None, file: Path | None, settings: Settings) -> str:
    if (text is None) == (file is None):
        raise ConfigurationError(f"{'No' if text is None else 'Two'} reviews were given. {_HOW}")
    if text is not None and text != "-":
        return text
    most = _BYTES_OF_A_CHARACTER * (settings.max_text_characters + 1)  # one more: then it is known to be too long
    name = "standard input" if file is None else str(file)
    try:
        if file is None:
            content = sys.stdin.buffer.read(most)
        else:
            with file.open("rb") as opened:
                content = opened.read(most)
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"Cannot read {name}: {error.strerror}. {_HOW}") from None
    except UnicodeDecodeError as error:
        if error.start >= most - _BYTES_OF_A_CHARACTER:  # it was cut within a character
            return content[: error.start].decode("utf-8-sig")
        raise ConfigurationError(
            f"Cannot read {name}: it is not UTF-8 (byte {error.start}). Convert it: "
            "iconv -f WINDOWS-1252 -t UTF-8 FILE | stream-app explain -"
        ) from None
