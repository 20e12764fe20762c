"""Classifiers that are kept as what differs from a base encoder: a LoRA adapter, or layers of their own.

    adapter_config.json, adapter_model.safetensors   LoRA on every linear layer, and the heads
    config.json, layers.safetensors                  the layers that were trained, and the heads

Both name their base encoder, whose other weights and tokenizer they use. Of a model with all of its base's layers each
trained matrix is kept as its difference from the base's, in int8 with a scale per row: half the size of half precision.
What has moved too far for that, and all else, is kept in half precision.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import torch
from safetensors.torch import load_file, save
from tokenizers import normalizers
from transformers import AutoTokenizer, BertConfig, BertModel

from stream_app.models.base_encoder import WHEEL
from stream_app.models.catalog import LAYERS_WEIGHTS, SCALE_OF_DELTA, KnownModel, known
from stream_app.models.multitask import HEADS, MultiTaskBert, embed, prototypes_of
from stream_app.models.transformer import MAX_INPUT_TOKENS, SAFE, SAFE_WEIGHTS
from stream_app.records import LABELS

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
LAYERS_CONFIG = "config.json"
_EMBEDDINGS = "bert.embeddings."
_DELTA = ".delta"  # of a matrix, behind its name
_LARGEST_ERROR = 2**-11  # relative to a matrix' largest weight: what half precision rounds that by, at most
_EVERY_LINEAR_LAYER = r".*encoder\.layer\.\d+\..*(query|key|value|dense)"


def is_derived(folder: Path) -> bool:
    return (folder / ADAPTER_WEIGHTS).is_file() or (folder / LAYERS_WEIGHTS).is_file()


def weights_of(folder: Path) -> str:
    """The name of the file that holds the weights."""
    return ADAPTER_WEIGHTS if (folder / ADAPTER_WEIGHTS).is_file() else LAYERS_WEIGHTS


def base_of(folder: Path) -> KnownModel:
    """The base encoder of a derived classifier. Raises ConfigurationError, or ValueError where none is named."""
    file = folder / (ADAPTER_CONFIG if (folder / ADAPTER_WEIGHTS).is_file() else LAYERS_CONFIG)
    name = orjson.loads(file.read_bytes()).get("base_model_name_or_path")
    if not isinstance(name, str):
        raise ValueError(f"{file.name} names no base encoder (base_model_name_or_path)")
    return known("all-MiniLM-L6-v2" if name == WHEEL else name)


def new_model(base: Path, layers: int | None = None) -> MultiTaskBert:
    """A base encoder with fresh heads. ``layers``: how many of its layers, evenly spaced, the last among them."""
    encoder = BertModel.from_pretrained(str(base), add_pooling_layer=False, **SAFE_WEIGHTS)
    count = encoder.config.num_hidden_layers
    chosen = [(number + 1) * count // layers - 1 for number in range(layers)] if layers else list(range(count))
    config = _with_labels(encoder.config)
    config.num_hidden_layers = len(chosen)
    model = MultiTaskBert(config)
    model.bert.embeddings.load_state_dict(encoder.embeddings.state_dict())
    for number, of_base in enumerate(chosen):
        model.bert.encoder.layer[number].load_state_dict(encoder.encoder.layer[of_base].state_dict())
    model.float()
    return model


def student_of(teacher: MultiTaskBert, layers: int) -> MultiTaskBert:
    """A model of evenly spaced layers of a fine-tuned one, with its heads."""
    config = BertConfig(**teacher.config.to_dict())
    config.num_hidden_layers = layers
    student = MultiTaskBert(config)
    count = teacher.config.num_hidden_layers
    student.bert.embeddings.load_state_dict(teacher.bert.embeddings.state_dict())
    student.bert.pooler.load_state_dict(teacher.bert.pooler.state_dict())
    for number in range(layers):
        of_teacher = (number + 1) * count // layers - 1
        student.bert.encoder.layer[number].load_state_dict(teacher.bert.encoder.layer[of_teacher].state_dict())
    for head in HEADS[1:]:
        getattr(student, head).load_state_dict(getattr(teacher, head).state_dict())
    return student


def mean_of(models: Sequence[MultiTaskBert]) -> MultiTaskBert:
    """A model whose weights are the means of these models': a model soup (Wortsman et al. 2022, arXiv:2203.05482).

    Only models that share a training's beginning have a useful mean. Raises ValueError where their layers differ.
    """
    states = [one.state_dict() for one in models]
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    if any(one != shapes[0] for one in shapes):
        raise ValueError("models of different layers have no mean")
    mean = copy.deepcopy(models[0])
    mean.load_state_dict({name: _mean([state[name] for state in states]) for name in states[0]})
    return mean


def _mean(values: Sequence[torch.Tensor]) -> torch.Tensor:
    """What all share, as embeddings, stays exactly as it is."""
    if all(value.equal(values[0]) for value in values):
        return values[0]
    return torch.stack(list(values)).mean(dim=0)


def with_adapter(model: MultiTaskBert, rank: int) -> Any:
    """The model with a LoRA adapter on every linear layer of its encoder; its heads are trained as they are."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,  # on a CPU it costs a quarter of the time
        target_modules=_EVERY_LINEAR_LAYER,
        modules_to_save=list(HEADS),
    )
    return get_peft_model(model, config)


def load_derived(folder: Path, base: Path) -> MultiTaskBert:
    """The classifier of ``folder`` on its base encoder, in fp32."""
    if (folder / ADAPTER_WEIGHTS).is_file():
        from peft import PeftModel

        model: MultiTaskBert = PeftModel.from_pretrained(new_model(base), str(folder)).merge_and_unload()
        model.float().eval()
        return model
    config = _with_labels(BertConfig(**orjson.loads((folder / LAYERS_CONFIG).read_bytes())))
    model = MultiTaskBert(config)
    encoder = BertModel.from_pretrained(str(base), add_pooling_layer=False, **SAFE_WEIGHTS)
    has_base_layers = encoder.config.num_hidden_layers == config.num_hidden_layers
    of_base = {
        name: value
        for name, value in ((f"bert.{name}", value) for name, value in encoder.state_dict().items())
        if has_base_layers or name.startswith(_EMBEDDINGS)
    }
    model.load_state_dict(of_base | _restored(load_file(str(folder / LAYERS_WEIGHTS)), of_base))
    model.float().eval()
    return model


def has_embeddings_of(model: MultiTaskBert, base: Path) -> bool:
    """Was the model trained on this base encoder, whose embeddings no training changes?"""
    encoder = BertModel.from_pretrained(str(base), add_pooling_layer=False, **SAFE_WEIGHTS)
    of_model, of_base = model.bert.embeddings.state_dict(), encoder.embeddings.state_dict()
    return all(of_model[name].float().equal(weight.float()) for name, weight in of_base.items())


def freeze_below(model: MultiTaskBert, trained_layers: int | None) -> None:
    """Leave the embeddings as they are and, where a number is given, all layers but the last ``trained_layers``."""
    model.bert.embeddings.requires_grad_(False)
    if trained_layers is not None:
        for layer in model.bert.encoder.layer[: len(model.bert.encoder.layer) - trained_layers]:
            layer.requires_grad_(False)


def save_layers(model: MultiTaskBert, state: Mapping[str, torch.Tensor], name: str, base: Path, folder: Path) -> None:
    """Write what differs from the base encoder ``name``, whose folder is ``base``.

    ``state``: the model's, as it is to be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    named = {**model.config.to_dict(), "base_model_name_or_path": name}
    named.pop("_name_or_path", None)  # where this machine has it
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    (folder / LAYERS_CONFIG).write_bytes(orjson.dumps(named, option=options, default=str))
    encoder = BertModel.from_pretrained(str(base), add_pooling_layer=False, **SAFE_WEIGHTS)
    has_base_layers = encoder.config.num_hidden_layers == model.config.num_hidden_layers
    of_base = {f"bert.{one}": value.float() for one, value in encoder.state_dict().items() if has_base_layers}
    weights: dict[str, torch.Tensor] = {}
    for one, value in state.items():
        if one.startswith(_EMBEDDINGS):
            continue
        new, old = value.detach().cpu().float(), of_base.get(one)
        if old is not None and torch.equal(old, new):
            continue
        if old is not None and new.ndim == 2:
            delta, scale = _quantized(new - old)
            if scale.max() / 2 <= _LARGEST_ERROR * new.abs().max():
                weights[one + _DELTA], weights[one + SCALE_OF_DELTA] = delta, scale
                continue
        weights[one] = new.half().contiguous()
    (folder / LAYERS_WEIGHTS).write_bytes(save(weights))  # the library's own writer lets nobody else read the file


def _quantized(difference: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A matrix [rows, columns] in int8, symmetric, and the scale of each row, fp32 [rows]."""
    scale = difference.abs().amax(dim=1).clamp(min=1e-12) / 127
    return (difference / scale[:, None]).round().to(torch.int8), scale


def _restored(stored: Mapping[str, torch.Tensor], of_base: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of a file, in fp32, by name."""
    restored = {}
    for name, value in stored.items():
        if name.endswith(_DELTA):
            matrix = name.removesuffix(_DELTA)
            restored[matrix] = of_base[matrix].float() + value.float() * stored[matrix + SCALE_OF_DELTA][:, None]
        elif not name.endswith(SCALE_OF_DELTA):
            restored[name] = value.float()
    return restored


def save_adapter(model: Any, state: dict[str, torch.Tensor], base: str, folder: Path) -> None:
    """Write adapter and heads as peft reads them, in half precision: a few megabytes."""
    folder.mkdir(parents=True, exist_ok=True)
    config = copy.copy(model.peft_config["default"])  # the model goes on with its own
    config.base_model_name_or_path = base  # not where this machine has it
    config.inference_mode = True
    config.save_pretrained(str(folder))
    weights = {name: value.detach().cpu().half().contiguous() for name, value in state.items()}
    (folder / ADAPTER_WEIGHTS).write_bytes(save(weights))


def prototypes(base: Path, tokenizer: Any, descriptions: Sequence[str]) -> torch.Tensor:
    """Prototypes [descriptions, width] of aspects, by a base encoder."""
    encoder = BertModel.from_pretrained(str(base), add_pooling_layer=False, **SAFE_WEIGHTS).float().eval()
    if not descriptions:
        return torch.zeros((0, encoder.config.hidden_size))
    return prototypes_of(embed(encoder, tokenizer, descriptions))


def tokenizer_of(base: Path) -> Any:
    """The base encoder's tokenizer. Capitals are lowered first where its vocabulary has none."""
    tokenizer = AutoTokenizer.from_pretrained(str(base), use_fast=True, **SAFE)
    tokenizer.model_max_length = MAX_INPUT_TOKENS
    specials = set(tokenizer.all_special_tokens)
    if not any(token != token.lower() for token in tokenizer.get_vocab() if token not in specials and token[0] != "["):
        core = tokenizer.backend_tokenizer
        core.normalizer = normalizers.Sequence([one for one in (normalizers.Lowercase(), core.normalizer) if one])
    return tokenizer


def _with_labels(config: BertConfig) -> BertConfig:
    config.num_labels = len(LABELS)
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: index for index, label in enumerate(LABELS)}
    # on a CPU half of a training's time: its random numbers come from one thread, and attention has no fast kernel
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    return config
