"""Which further classifiers the settings name, by the language whose reviews each reads."""

from __future__ import annotations

import re

from stream_app.ports import ConfigurationError
from stream_app.settings import ModelSettings

_LANGUAGE = re.compile(r"[a-z]{2,3}")  # ISO 639


def models_of_languages(stated: str) -> dict[str, str]:
    """{"zh": "my-model"} of "zh=my-model,…". Raises ConfigurationError."""
    found: dict[str, str] = {}
    for entry in filter(None, map(str.strip, stated.split(","))):
        language, _, name = map(str.strip, entry.partition("="))
        if not (_LANGUAGE.fullmatch(language) and name) or language in found:
            raise ConfigurationError(
                f"STREAM_APP_SENTIMENT_MODELS: {entry!r} is not LANGUAGE=MODEL, or repeats a language. "
                "Write for example zh=my-folder,ja=owner/model."
            )
        found[language] = name
    return found


def settings_of_language(settings: ModelSettings, language: str) -> ModelSettings:
    """The same settings with the further classifier for ``language`` as the only one."""
    name = models_of_languages(settings.sentiment_models)[language]
    only = {"sentiment_model": name, "sentiment_models": "", "model_languages": language}
    return settings.model_copy(update=only)
