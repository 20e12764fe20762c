"""How a classifier is kept as what differs from its base encoder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stream_app.models import derived
from stream_app.models.base_encoder import base_encoder_folder
from stream_app.models.multitask import MultiTaskBert

BASE = "all-MiniLM-L6-v2"


def fine_tuned(layers: int | None = None, by: float = 0.004) -> MultiTaskBert:
    """The base encoder with each weight of its last layer moved by about as much as a training does."""
    model = derived.new_model(base_encoder_folder(), layers)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.bert.encoder.layer[-1].parameters():
            weight += by * torch.randn(weight.shape, generator=generator)
    return model


def save(model: MultiTaskBert, folder: Path) -> None:
    derived.save_layers(model, model.state_dict(), BASE, base_encoder_folder(), folder)


def test_trained_matrices_are_kept_in_a_byte_a_weight_as_exact_as_in_half_precision(tmp_path: Path) -> None:
    model = fine_tuned()
    save(model, tmp_path)
    trained = sum(weight.numel() for weight in model.bert.encoder.layer[-1].parameters())
    heads = sum(weight.numel() for name, weight in model.named_parameters() if not name.startswith("bert.enc"))
    heads -= sum(weight.numel() for weight in model.bert.embeddings.parameters())
    assert (tmp_path / "layers.safetensors").stat().st_size < 1.05 * trained + 2 * heads
    read = derived.load_derived(tmp_path, base_encoder_folder()).state_dict()
    for name, weight in model.state_dict().items():
        assert (read[name] - weight).abs().max() <= 2**-11 * weight.abs().max(), name


def test_what_moved_too_far_for_int8_is_kept_in_half_precision(tmp_path: Path) -> None:
    model = fine_tuned(by=0.4)
    save(model, tmp_path)
    weight = derived.load_derived(tmp_path, base_encoder_folder()).bert.encoder.layer[-1].output.dense.weight
    assert weight.equal(model.bert.encoder.layer[-1].output.dense.weight.half().float())


def test_layers_that_the_base_lacks_are_kept_in_half_precision(tmp_path: Path) -> None:
    model = fine_tuned(layers=2)
    save(model, tmp_path)
    assert {weight.dtype for weight in load_file(str(tmp_path / "layers.safetensors")).values()} == {torch.float16}
    weight = derived.load_derived(tmp_path, base_encoder_folder()).bert.encoder.layer[1].output.dense.weight
    assert weight.equal(model.bert.encoder.layer[1].output.dense.weight.half().float())


def test_a_model_that_is_written_again_stays_as_it_was(tmp_path: Path) -> None:
    save(fine_tuned(), tmp_path / "first")
    first = derived.load_derived(tmp_path / "first", base_encoder_folder())
    save(first, tmp_path / "again")
    again = derived.load_derived(tmp_path / "again", base_encoder_folder()).state_dict()
    for name, weight in first.state_dict().items():
        assert again[name].numpy() == pytest.approx(weight.numpy(), abs=1e-7), name
