"""`stream-app evaluate`: reports say what was run, bounds decide the exit code. Models are fakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from stream_app.__main__ import app
from stream_app.models import derived, loading
from stream_app.models.device import cores
from stream_app.models.tuned import TunedModel
from stream_app.records import Scores
from stream_app.settings import Settings
from stream_app.testing.models import AnsweringModel, FakeClassifier
from stream_app.training.card import write_card

REVIEWS = [
    {"text": "A good lamp, he said", "rating": 5, "domain": "lamps", "language": "en"},
    {"text": "It broke", "rating": 1, "domain": "lamps", "language": "en"},
    {"text": "It is a lamp", "rating": 3, "domain": "shoes", "language": "en"},
    {"text": "It is good", "rating": 1, "domain": "shoes", "language": "en"},
]


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        loading, "load_sentiment_model", lambda settings: TunedModel(FakeClassifier(), 512, 512, how="a fake")
    )
    summarizer: AnsweringModel[str] = AnsweringModel(lambda text: "Great for the price")
    monkeypatch.setattr(loading, "load_summary_model", lambda settings: TunedModel(summarizer, 512, 512))


def write(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return file


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


@pytest.mark.parametrize(("threads", "used"), [(0, cores()), (3, 3)])
def test_a_batch_is_computed_on_all_cores_unless_a_number_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, used: int
) -> None:
    read: list[Settings] = []

    def load(settings: Settings) -> TunedModel[Any]:
        read.append(settings)
        return TunedModel(FakeClassifier(), 512, 512, how="a fake")

    monkeypatch.setattr(loading, "load_sentiment_model", load)
    monkeypatch.setenv("STREAM_APP_THREADS", str(threads))
    assert run("sentiment", "--data", write(tmp_path / "reviews.jsonl", REVIEWS)).exit_code == 0
    assert [one.threads for one in read] == [used]


def test_a_report_holds_scores_data_and_plots(tmp_path: Path) -> None:
    data = write(tmp_path / "reviews.jsonl", [*REVIEWS, {"text": "no label"}])
    result = run("sentiment", "--data", data, "--report", tmp_path / "report", "--seed", "7")
    assert result.exit_code == 0, result.output
    report = orjson.loads((tmp_path / "report" / "report.json").read_bytes())
    assert (report["reviews"], report["accuracy"], report["seed"]) == (4, 0.75, 7)
    assert report["binary_accuracy"] == pytest.approx(2 / 3)
    assert report["model"] == {"name": "fake", "revision": "1", "computed": "a fake"}
    [file] = report["data"]
    assert (file["name"], file["rows"], file["bad_rows"], len(file["sha256"])) == ("reviews.jsonl", 5, 1, 64)
    assert list(report["slices"]) == ["words", "stars", "domain"]
    assert report["robustness"]["upper_case"]["texts"] == 4
    assert report["fairness"]["gender_swapped_in_reviews"]["texts"] == 1
    text = (tmp_path / "report" / "report.md").read_text()
    for said in (
        report["command"],
        file["sha256"],
        "line 5 has no label",
        "## Robustness",
        "## Negation",
        "## Fairness",
    ):
        assert said in text
    for plot in ("confusion", "reliability", "slices", "flips"):
        assert f"]({plot}.png)" in text
        assert (tmp_path / "report" / f"{plot}.png").read_bytes().startswith(b"\x89PNG")


def test_a_broken_bound_is_exit_code_1_and_named(tmp_path: Path) -> None:
    data = write(tmp_path / "reviews.jsonl", REVIEWS)
    held = run("sentiment", "--data", data, "--minimum", "accuracy=0.75", "--minimum", "labels.positive.recall=1")
    assert held.exit_code == 0, held.output
    broken = run("sentiment", "--data", data, "--minimum", "accuracy=0.8", "--maximum", "calibration_error=0.001")
    assert broken.exit_code == 1
    assert "accuracy is 0.7500, the minimum is 0.8" in broken.output
    assert "calibration_error is" in broken.output


def test_columns_are_mapped(tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    file.write_text("review_body,stars\nA good lamp,5\nIt broke,1\n")
    result = run("sentiment", "--data", file, "--column", "text=review_body", "--column", "rating=stars", "--json")
    assert orjson.loads(result.stdout)["accuracy"] == 1.0


def test_held_out_reviews_are_of_a_seventh_of_the_products(tmp_path: Path) -> None:
    data = write(tmp_path / "reviews.jsonl", [{**REVIEWS[0], "product_id": f"p{number}"} for number in range(140)])
    result = run("sentiment", "--data", data, "--held-out", "--json")
    assert 8 <= orjson.loads(result.stdout)["reviews"] <= 35


def test_a_sample_is_drawn_with_the_seed(tmp_path: Path) -> None:
    data = write(tmp_path / "reviews.jsonl", [{**REVIEWS[0], "rating": 1 + number % 5} for number in range(100)])
    by_seed = [
        orjson.loads(run("sentiment", "--data", data, "--sample", "20", "--seed", seed, "--json").stdout)["confusion"]
        for seed in ("1", "1", "2")
    ]
    assert sum(map(sum, by_seed[0])) == 20
    assert by_seed[0] == by_seed[1] != by_seed[2]
    everything = orjson.loads(run("sentiment", "--data", data, "--sample", "1000", "--json").stdout)
    assert everything["reviews"] == 100


def test_a_collapsed_summarizer_is_exit_code_1(tmp_path: Path) -> None:
    text = "The zip number {} broke after two days of use, and nobody at the shop wanted to answer my letters at all."
    data = write(tmp_path / "reviews.jsonl", [{"text": text.format(number), "rating": 1} for number in range(120)])
    result = run("summary", "--data", data, "--report", tmp_path / "report")
    assert result.exit_code == 1
    assert "100.0% of 120 outputs are the same line" in result.output
    assert "'Great for the price'" in result.output
    assert "**Fails:" in (tmp_path / "report" / "report.md").read_text()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder as a training leaves it, but for the weights, which the fake does without."""
    folder, data = tmp_path / "model", write(tmp_path / "trained_on.jsonl", REVIEWS)
    write_card(folder, title="A model", purpose="", limits=[], train=[data], dev=[data], recipe={}, scores={})
    (folder / "config.json").write_text('{"base_model_name_or_path": "bge-small-en-v1.5"}')
    (folder / derived.weights_of(folder)).touch()
    return folder


def half_wrong(folder: Path, count: int) -> Path:
    rows = [{"text": f"It is good {number}", "rating": 1 if number % 2 else 5} for number in range(count)]
    return write(folder / "reviews.jsonl", rows)


def test_temperature_is_fitted_and_stated_in_the_card(tmp_path: Path, model: Path) -> None:
    done = run("sentiment", "--calibrate", "--data", half_wrong(tmp_path, 300), "--model", model)
    assert done.exit_code == 0, done.output
    stated = orjson.loads((model / "card.json").read_bytes())["adaptive_temperature"]
    assert stated["intercept"] + stated["slope"] > 0.5  # the fake is surer than it is right
    assert f"exp({stated['intercept']:.2f} + {stated['slope']:.2f} H)" in (model / "README.md").read_text()


@pytest.mark.parametrize(
    ("count", "options", "words"),
    [
        (300, ["--set-aside"], "at least 50 reviews; here are 30"),
        (9, ["--set-aside"], "here that is none"),
        (9, [], "at least 50 reviews; here are 9"),
        (300, ["--precisions"], "Score it in a second run"),
        (300, ["--minimum", "accuracy=0.5"], "Score it in a second run"),
    ],
)
def test_temperature_that_cannot_be_fitted_leaves_the_card(
    tmp_path: Path, model: Path, count: int, options: list[str], words: str
) -> None:
    before = (model / "card.json").read_bytes()
    done = run("sentiment", "--calibrate", "--data", half_wrong(tmp_path, count), "--model", model, *options)
    assert words in str(done.exception)
    assert (model / "card.json").read_bytes() == before


def test_reviews_of_labels_that_the_model_never_answers_fit_no_temperature(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_labels: AnsweringModel[Scores] = AnsweringModel(lambda text: Scores(0.3, 0.0, 0.7))
    monkeypatch.setattr(loading, "load_sentiment_model", lambda settings: TunedModel(two_labels, 512, 512))
    data = write(tmp_path / "reviews.jsonl", [{"text": f"{n}", "rating": 5 if n < 40 else 3} for n in range(60)])
    before = (model / "card.json").read_bytes()
    done = run("sentiment", "--calibrate", "--data", data, "--model", model)
    assert "fewer of these 60 are" in str(done.exception)
    assert (model / "card.json").read_bytes() == before


def test_temperature_of_a_model_that_was_not_trained_here_is_refused(tmp_path: Path) -> None:
    done = run("sentiment", "--calibrate", "--data", half_wrong(tmp_path, 300), "--model", tmp_path)
    assert "is not a model that `stream-app train sentiment` wrote" in str(done.exception)
