"""Makes a folder that transformers reads out of a published ONNX graph and its tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from numpy.typing import NDArray

from stream_app.models.base_encoder import sha256_of
from stream_app.models.catalog import WEIGHTS, KnownModel, Published
from stream_app.models.onnx_weights import recover_weights
from stream_app.models.precisions import CARD_FILE


def write_folder(model: KnownModel, published: Published, onnx: Path, tokenizer: Path, folder: Path) -> None:
    """Write config.json, weights, tokenizer and card into a new ``folder``.

    Raise ValueError where the weights are not exactly those of a BERT without a pooler.
    """
    from safetensors.numpy import save

    folder.mkdir()
    weights = recover_weights(onnx)
    config = _config(weights, published.heads)
    _check_complete(config, weights)
    _write_json(folder / "config.json", config)
    # as bytes: where the disk is full, safetensors' own writer raises no OSError
    (folder / WEIGHTS).write_bytes(save(dict(sorted(weights.items())), metadata={"format": "pt"}))
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(config))
    card = _card(model, published, folder, sum(one.size for one in weights.values()))
    (folder / "README.md").write_text(_for_people(card, config), encoding="utf-8")
    _write_json(folder / CARD_FILE, card)


def _config(weights: Mapping[str, NDArray[Any]], heads: int) -> dict[str, Any]:
    """Return BertConfig's fields. Sizes come from the weights' shapes; the rest is BERT's default."""
    vocabulary, width = weights["embeddings.word_embeddings.weight"].shape
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": len({name.split(".")[2] for name in weights if name.startswith("encoder.layer.")}),
        "num_attention_heads": heads,
        "intermediate_size": len(weights["encoder.layer.0.intermediate.dense.bias"]),
        "max_position_embeddings": len(weights["embeddings.position_embeddings.weight"]),
        "type_vocab_size": len(weights["embeddings.token_type_embeddings.weight"]),
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        "dtype": "float32",
    }


def _check_complete(config: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]) -> None:
    import torch
    from transformers import BertConfig, BertModel

    with torch.device("meta"):
        model = BertModel(BertConfig(**config), add_pooling_layer=False)
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: value.shape for name, value in weights.items()}
    if wrong := sorted(name for name, _ in expected.items() ^ found.items()):
        raise ValueError(f"weights that are missing, unexpected or of another shape: {', '.join(wrong)}")


def _tokenizer_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The class that takes tokenizer.json as it is: BertTokenizer makes its own normalizer."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config["max_position_embeddings"],
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }


def _card(model: KnownModel, published: Published, folder: Path, parameters: int) -> dict[str, Any]:
    return {
        "title": model.name,
        "purpose": f"A pretrained {model.kind} for texts in {', '.join(model.languages)}: a base for fine-tuning.",
        "origin": model.origin,
        "licence": model.licence,
        "languages": list(model.languages),
        "published_as": published.coordinate,
        "published_files": {one.name: one.sha256 for one in (published.onnx, published.tokenizer)},
        "parameters": parameters,
        "files": {file.name: sha256_of(file) for file in sorted(folder.iterdir())},
        "notes": list(model.notes),
    }


def _for_people(card: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    lines = [f"# {card['title']}", "", card["purpose"], ""]
    lines += [f"Origin: {card['origin']}. Licence: {card['licence']}.", ""]
    lines += [
        f"{config['num_hidden_layers']} layers, {config['hidden_size']} wide, {config['num_attention_heads']} heads, "
        f"{card['parameters']:,} parameters, {config['vocab_size']:,} tokens in the vocabulary, "
        f"{config['max_position_embeddings']} positions.",
        "",
        f"Converted by `stream-app models fetch` from `{card['published_as']}` (Maven Central):",
        "",
        *(f"- {name}: SHA-256 {sha256}" for name, sha256 in card["published_files"].items()),
        "",
        "## Notes",
        "",
        *(f"- {note}" for note in card["notes"]),
    ]
    return "\n".join(lines) + "\n"


def _write_json(file: Path, value: Mapping[str, Any]) -> None:
    file.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
