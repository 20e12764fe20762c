"""Packed, padded and converted: every variant that computes a classifier gives what transformers gives."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
from transformers import (
    RobertaConfig,
    RobertaForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from stream_app.models import convert, encoders, fused_encoder
from stream_app.models.classifier import Classifier, find_classifier
from stream_app.models.convert import converted
from stream_app.models.device import Backend, DeviceChoice, Precision
from stream_app.models.encoders import CTranslate2Encoder, PackedEncoder, PaddedEncoder
from stream_app.models.fused_encoder import FusedEncoder
from stream_app.models.summarizer import find_summarizer
from stream_app.models.transformer import TokenIds
from stream_app.ports import ConfigurationError
from tests.unit.models.conftest import word_tokenizer

TEXTS = ["the zip broke", "good", "the kettle was good and the lid broke after two days .", "great lid"]
TIMES = [1, 3, 10, 30, 100, 300, 1000] * 10
"""On a GPU: from the smallest recorded run to those that are too large for one."""
STARS = {index: f"{index + 1} star{'s' * (index > 0)}" for index in range(5)}
Folder = Callable[[dict[int, str]], Path]


def tokenized(classifier: Classifier) -> list[TokenIds]:
    """TEXTS as an encoder takes them."""
    return cast("list[TokenIds]", classifier.tokenize(TEXTS))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "stream-app" / "converted"


@pytest.fixture(params=["bert", "roberta", "xlm-roberta"])
def folder(request: pytest.FixtureRequest, classifier_folder: Folder, tmp_path: Path) -> Path:
    """A classifier of each architecture that can be packed."""
    if request.param == "bert":
        return classifier_folder(STARS)
    torch.manual_seed(2)
    tokenizer = word_tokenizer()
    kind, config_kind = {
        "roberta": (RobertaForSequenceClassification, RobertaConfig),
        "xlm-roberta": (XLMRobertaForSequenceClassification, XLMRobertaConfig),
    }[request.param]
    config = config_kind(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=67,
        pad_token_id=1,  # as RoBERTa has it; positions begin behind it
        num_labels=5,
        id2label=STARS,
        label2id={label: index for index, label in STARS.items()},
    )
    kind(config).save_pretrained(str(tmp_path / "roberta"))
    tokenizer.save_pretrained(str(tmp_path / "roberta"))
    return tmp_path / "roberta"


@pytest.mark.parametrize(
    ("backend", "precision", "kind", "tolerance"),
    [
        ("torch", "fp32", PackedEncoder, 1e-5),
        ("torch", "bf16", PackedEncoder, 0.02),
        ("ctranslate2", "fp32", CTranslate2Encoder, 1e-5),
        ("ctranslate2", "int8", CTranslate2Encoder, 0.05),
    ],
)
def test_each_way_gives_what_transformers_gives(
    folder: Path, cpu: DeviceChoice, backend: Backend, precision: Precision, kind: type, tolerance: float
) -> None:
    found = find_classifier(str(folder))
    classifier = found.on(replace(cpu, backend=backend, precision=precision))
    tokens = tokenized(classifier)
    expected = PaddedEncoder(found.model, 0, cpu).logits(tokens)

    assert isinstance(classifier.encoder, kind)
    with torch.inference_mode():
        torch.testing.assert_close(classifier.encoder.logits(tokens), expected, atol=tolerance, rtol=0.0)
        alone = torch.cat([classifier.encoder.logits([one]) for one in tokens])
        torch.testing.assert_close(alone, expected, atol=tolerance, rtol=0.0)


@pytest.mark.parametrize("rows", [1, 40])
@pytest.mark.parametrize("score", [0.0, 60.0, -60.0, -80.0, 300.0, -300.0])
def test_attention_in_bf16_holds_scores_of_any_size(score: float, rows: int) -> None:
    """Powers of 300 are more, those of -300 less than bf16 can hold; the softmax is the same for all of them."""
    torch.manual_seed(1)
    value = torch.randn(1, 2, 40, 16)
    key = 2.0 * torch.randint(-1, 2, (1, 2, 40, 16))  # even: those about 300 are, where bf16 does not round
    query = torch.nn.functional.one_hot(torch.randint(1, 16, (1, 2, 40)), 16).float()
    key[..., 0], query[..., :rows, 0] = 1.0, score  # adds the same to each score of these rows
    q, k, v = (one.bfloat16() for one in (query, key, value))
    expected = torch.nn.functional.scaled_dot_product_attention(q.float(), k.float(), v.float(), scale=1.0)

    found = encoders.attend(q, k, v, scaling=1.0)

    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=0.1 if abs(score) == 60.0 else 0.01, rtol=0.0)


def attend_one_by_one(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: torch.Tensor, *_: object
) -> torch.Tensor:
    """In place of the GPU's kernel; all [tokens, heads, width]."""
    parts = []
    for start, end in itertools.pairwise(bounds.tolist()):
        q, k, v = (one[start:end].transpose(0, 1) for one in (query, key, value))
        parts.append(torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(0, 1))
    return torch.cat(parts)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 0.02)])
def test_what_a_gpu_computes_in_few_kernels_is_what_transformers_gives(
    folder: Path, cpu: DeviceChoice, precision: Precision, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it but attention's kernel: the folded biases, the packed texts, the head. With biases that count."""
    monkeypatch.setattr(fused_encoder, "varlen_attn", attend_one_by_one)
    found = find_classifier(str(folder))
    for name, weight in found.model.named_parameters():
        if name.endswith("bias") or "LayerNorm" in name:
            torch.nn.init.normal_(weight, std=0.1)
    tokens = tokenized(found.on(cpu))
    expected = PaddedEncoder(found.model, found.tokenizer.pad_token_id, cpu).logits(tokens)
    encoder = FusedEncoder(found.model, replace(cpu, precision=precision))

    with torch.inference_mode():
        torch.testing.assert_close(encoder.logits(tokens), expected, atol=tolerance, rtol=0.0)
        alone = torch.cat([encoder.logits([one]) for one in tokens])
        torch.testing.assert_close(alone, expected, atol=tolerance, rtol=0.0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_gives_what_transformers_gives(folder: Path, cpu: DeviceChoice) -> None:
    found = find_classifier(str(folder))
    gpu = replace(cpu, device="cuda", precision="bf16")
    classifier = found.on(gpu)
    tokens = tokenized(classifier)
    expected = PaddedEncoder(found.model, found.tokenizer.pad_token_id, cpu).logits(tokens)

    assert isinstance(classifier.encoder, FusedEncoder)

    def logits(times: int) -> torch.Tensor:
        with torch.inference_mode():  # of this thread
            return classifier.encoder.logits(tokens * times)

    with ThreadPoolExecutor(4) as pool:
        for times, found_logits in zip(TIMES, pool.map(logits, TIMES), strict=True):
            torch.testing.assert_close(found_logits, expected.repeat(times, 1), atol=0.02, rtol=0.0)


def test_making_one_for_a_device_leaves_the_found_weights_as_they_are(folder: Path, cpu: DeviceChoice) -> None:
    """Candidates are made one after another from the same weights."""
    found = find_classifier(str(folder))
    before = {name: weight.clone() for name, weight in found.model.state_dict().items()}
    found.on(replace(cpu, precision="bf16"))

    after = found.model.state_dict()
    assert all(after[name].dtype == torch.float32 and torch.equal(after[name], old) for name, old in before.items())


def test_converted_model_is_kept_by_its_revision(folder: Path, cpu: DeviceChoice, cache: Path) -> None:
    found = find_classifier(str(folder))
    found.on(replace(cpu, backend="ctranslate2"))
    [kept] = cache.iterdir()

    assert found.name.revision in kept.name
    again = converted(lambda: pytest.fail("converted again"), found.tokenizer, found.name)
    assert again == kept


def test_conversion_that_dies_leaves_nothing_behind_under_the_name(
    folder: Path, cpu: DeviceChoice, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    found = find_classifier(str(folder))
    monkeypatch.setattr(convert, "_convert", dies)
    with pytest.raises(KeyboardInterrupt):
        found.on(replace(cpu, backend="ctranslate2"))
    assert list(cache.iterdir()) == []


def test_processes_that_convert_at_the_same_time_agree(folder: Path, cache: Path) -> None:
    found = find_classifier(str(folder))
    ready = threading.Barrier(2)
    folders: list[Path] = []

    def weights() -> object:
        ready.wait(10)  # both found nothing there
        return found._convertible()

    def convert_it() -> None:
        folders.append(converted(weights, found.tokenizer, found.name))

    threads = [threading.Thread(target=convert_it) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(folders) == 2
    assert len(set(folders)) == 1
    assert (folders[0] / "model.bin").is_file()
    assert list(cache.iterdir()) == [folders[0]]


def test_home_that_cannot_be_written_is_done_without(
    folder: Path, cpu: DeviceChoice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    classifier = find_classifier(str(folder)).on(replace(cpu, backend="ctranslate2"))
    assert classifier.canary()


def test_ctranslate2_writes_what_generate_writes(t5_folder: Path, cpu: DeviceChoice) -> None:
    found = find_summarizer(str(t5_folder))
    torch_one, converted_one = found.on(cpu), found.on(replace(cpu, backend="ctranslate2"))
    tokens = torch_one.tokenize(TEXTS)

    assert converted_one.run(tokens) == torch_one.run(tokens)
    assert converted_one.canary()


def test_only_a_t5_is_taken_for_a_summarizer(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a T5"):
        find_summarizer(str(folder))


@pytest.mark.parametrize("supported", [True, False])
@pytest.mark.parametrize(("dtype", "expected"), [(torch.float32, None), (torch.bfloat16, "supported")])
def test_weights_are_reordered_where_onednn_can(
    dtype: torch.dtype, expected: str | None, supported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bf16 it asks for AVX-512; in fp32 for nothing."""
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: supported)

    assert encoders.can_prepack(dtype) is (expected is None or supported)
