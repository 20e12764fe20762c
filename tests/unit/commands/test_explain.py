"""`stream-app explain`: where the review comes from, and what is shown. The explainer is a fake."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console
from typer.testing import CliRunner

from stream_app.__main__ import app, main
from stream_app.commands.explanation_view import show
from stream_app.models import loading
from stream_app.records import Explanation, ModelName, SentenceScores, Sentiment, WordWeight, WordWeights
from stream_app.settings import Settings
from stream_app.testing.explainer import FakeExplainer

MIXED = Explanation(
    "It broke.\nBut I love it\x1b[2J",
    0,
    "en",
    ModelName("fake", "1"),
    Sentiment("negative", 0.55, (0.55, 0.05, 0.4)),
    False,
    (
        SentenceScores(0, 9, (0.9, 0.06, 0.04), 0.91, ("durability", "safety")),
        SentenceScores(10, 27, None, 0.02),
    ),
    ("low_confidence",),
    ("burn",),
    WordWeights((WordWeight(3, 8, 2.0), WordWeight(16, 20, -1.0)), 0.2, -0.8, 0.4, False),
)


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that an explainer was made with."""
    made: list[Settings] = []

    def new_explainer(settings: Settings, *, threads: int) -> FakeExplainer:
        made.append(settings)
        return FakeExplainer()

    monkeypatch.setattr(loading, "new_explainer", new_explainer)
    return made


def run(*arguments: str, given: bytes = b"") -> Any:
    return CliRunner().invoke(app, ["explain", *arguments], input=given)


def shown(explanation: Explanation, **console: Any) -> str:
    out = io.StringIO()
    show(explanation, Console(file=out, width=80, highlight=False, **console))
    return out.getvalue()


def test_review_comes_from_the_argument_standard_input_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "review.txt").write_bytes("\ufeffBroke 😀\n".encode())
    for arguments, text in (
        (("Broke today",), "Broke today"),
        (("-",), "From a pipe\n"),
        (("--file", str(tmp_path / "review.txt")), "Broke 😀\n"),
    ):
        result = run(*arguments, "--json", given=b"From a pipe\n")
        assert result.exit_code == 0, result.output
        assert orjson.loads(result.stdout)["text"] == text


def test_json_has_offsets_in_code_points() -> None:
    found = orjson.loads(run("😀😀 broke", "--words", "--json").stdout)

    assert found["words"]["weights"] == [{"start": 0, "end": 2, "word": "😀😀", "weight": 1.5}]
    assert found["sentiment"]["scores"] == {"negative": 0.9, "neutral": 0.06, "positive": 0.04}


def test_words_are_weighed_where_it_is_asked_for() -> None:
    assert orjson.loads(run("Broke", "--json").stdout)["words"] is None
    assert "log-odds" not in run("Broke").stdout
    assert "log-odds of negative" in run("Broke", "--words").stdout


def test_a_model_that_is_named_reads_every_language(fake: list[Settings]) -> None:
    assert run("Broke", "--model", "mine").exit_code == 0
    assert run("Broke").exit_code == 0
    named, default = fake

    assert (named.sentiment_model, named.sentiment_models, named.model_languages) == ("mine", "", "any")
    assert (default.sentiment_model, default.model_languages) == ("bundled", "auto")
    assert default.sentiment_models


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "No reviews were given"),
        (["a", "--file", "b"], "Two reviews were given"),
        (["--file", "no-such-file"], "Cannot read no-such-file: No such file"),
        (["--file", "."], "Cannot read .: Is a directory"),
        (["--file", "latin1"], "not UTF-8 (byte 2).*iconv"),
        ([""], "empty_text: nothing is left. Give a text."),
    ],
)
def test_what_is_wrong_is_one_message_with_exit_code_2(
    arguments: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin1").write_bytes("très".encode("latin-1") + b" bon" * 10)
    with pytest.raises(SystemExit) as ended:
        main(["explain", *arguments])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    first, _, then = says.partition(".*")
    assert first in said
    assert then in said
    assert "Traceback" not in said


def test_no_more_is_read_than_shows_that_it_is_too_long(tmp_path: Path) -> None:
    """Cut within a character, it is still UTF-8."""
    (tmp_path / "long").write_bytes(b"a" + "错".encode() * 50_000)
    text = orjson.loads(run("--file", str(tmp_path / "long"), "--json").stdout)["text"]

    assert 20_000 < len(text) < 30_000
    assert set(text) == {"a", "错"}


def test_terminal_shows_label_sentences_and_words() -> None:
    said = shown(MIXED)

    for what in (
        "negative 0.5500   positive 0.4000   neutral 0.0500",
        "flags: low_confidence",
        "safety terms of: burn",
        "adds most: broke +2.00",
        "takes most: love -1.00",
        "P 0.31",
        "P 0.55",
        "miss this difference by +0.40",
    ):
        assert what in said
    [sentence] = [line for line in said.splitlines() if line.startswith("negative  0.90")]
    assert sentence.split() == "negative 0.90 0.91 durability, safety It broke.".split()


def test_terminal_obeys_nothing_that_a_review_says() -> None:
    assert "\x1b" not in shown(MIXED)
    assert "\x1b[2J" not in shown(MIXED, force_terminal=True, color_system="truecolor")


def test_words_that_add_are_blue_and_words_that_take_are_orange() -> None:
    said = shown(MIXED, force_terminal=True, color_system="truecolor")

    assert "\x1b[37;48;2;33;113;181mbroke" in said
    assert "\x1b[30;48;2;253;141;60mlove" in said
