"""Tiny models with random weights, as folders that transformers loads: the real loading code without real weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from stream_app.models.device import DeviceChoice
from tests.unit.models.batcher_rig import Rig

CPU = DeviceChoice("cpu", "fp32", 1, "for tests")
_WORDS = ["[PAD]", "[UNK]", "[END]", *"the zip broke after two days and was good bad great lid kettle .".split()]


@pytest.fixture
def cpu() -> DeviceChoice:
    return CPU


@pytest.fixture
def classifier_folder(tmp_path: Path) -> Callable[[dict[int, str]], Path]:
    """Makes the folder of a BERT classifier with these labels."""

    def make(id2label: dict[int, str]) -> Path:
        torch.manual_seed(1)
        config = BertConfig(
            vocab_size=len(_WORDS),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=64,
            num_labels=len(id2label),
            id2label=id2label,
            label2id={label: index for index, label in id2label.items()},
        )
        folder = tmp_path / "classifier"
        BertForSequenceClassification(config).save_pretrained(str(folder))
        word_tokenizer().save_pretrained(str(folder))
        return folder

    return make


@pytest.fixture
def t5_folder(tmp_path: Path) -> Path:
    """The folder of a T5 that was not trained by our own command."""
    torch.manual_seed(1)
    config = T5Config(
        vocab_size=len(_WORDS),
        d_model=16,
        d_kv=8,
        d_ff=16,
        num_layers=1,
        num_heads=2,
        pad_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=0,
    )
    folder = tmp_path / "t5"
    T5ForConditionalGeneration(config).save_pretrained(str(folder))
    word_tokenizer().save_pretrained(str(folder))
    return folder


def word_tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(_WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single="$A [END]", special_tokens=[("[END]", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", eos_token="[END]", model_max_length=512
    )


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    rig.batcher.start()
    yield rig
    rig.model.gate.set()
    rig.batcher.stop()
