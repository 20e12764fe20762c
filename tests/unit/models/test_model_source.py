"""A model of the Hugging Face Hub is loaded in the revision that its name pins."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub.constants
import pytest

from stream_app.models.classifier import find_classifier
from stream_app.models.summarizer import find_summarizer
from stream_app.models.transformer import ModelSource
from stream_app.ports import ConfigurationError

MAIN, PINNED = "a" * 40, "b" * 40


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, and no network: what was downloaded before is all there is."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return folder


def cached(hub: Path, name: str, folder: Path, *, commit: str, ref: str | None = None) -> None:
    """Put ``folder`` into the cache as ``name`` at ``commit``, which the branch or tag ``ref`` names."""
    repository = hub / f"models--{name.replace('/', '--')}"
    shutil.copytree(folder, repository / "snapshots" / commit)
    if ref:
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / ref).write_text(commit)


def test_pinned_classifier_is_loaded_in_its_revision(
    hub: Path, classifier_folder: Callable[[dict[int, str]], Path]
) -> None:
    cached(hub, "shop/stars", classifier_folder({0: "POSITIVE", 1: "NEGATIVE"}), commit=MAIN, ref="main")
    shutil.rmtree(classifier_folder({0: "1 star"}))
    cached(hub, "shop/stars", classifier_folder({i: f"{i + 1} stars" for i in range(5)}), commit=PINNED)

    pinned = find_classifier(f"shop/stars@{PINNED}")
    assert (pinned.name.name, pinned.name.revision) == ("shop/stars", PINNED[:12])
    assert pinned.model.config.num_labels == 5
    assert find_classifier("shop/stars").model.config.num_labels == 2


def test_model_that_nothing_pins_is_warned_of(hub: Path, t5_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cached(hub, "shop/t5", t5_folder, commit=MAIN, ref="main")
    find_summarizer(f"shop/t5@{MAIN}")
    assert "model_was_not_pinned" not in "".join(capsys.readouterr())
    find_summarizer("shop/t5")
    assert f"shop/t5@{MAIN}" in "".join(capsys.readouterr())


def test_pinned_summarizer_is_loaded_in_its_revision(hub: Path, t5_folder: Path) -> None:
    cached(hub, "shop/t5", t5_folder, commit=MAIN, ref="main")
    cached(hub, "shop/t5", t5_folder, commit=PINNED, ref="v1")
    assert find_summarizer("shop/t5@v1").name.revision == PINNED[:12]
    assert find_summarizer("shop/t5").name.revision == MAIN[:12]


def test_revision_that_is_not_there_is_named(hub: Path, t5_folder: Path) -> None:
    cached(hub, "shop/t5", t5_folder, commit=MAIN, ref="main")
    with pytest.raises(ConfigurationError, match=r"(?s)shop/t5@v2.*STREAM_APP_SUMMARY_MODEL"):
        find_summarizer("shop/t5@v2")


def test_folder_whose_name_has_an_at_sign_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model@home"
    folder.mkdir()
    assert ModelSource.of(str(folder)).revision is None
    assert ModelSource.of(str(folder)).name == "model@home"
