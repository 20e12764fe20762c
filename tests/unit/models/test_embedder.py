"""Vectors of sentences: from a folder as `models fetch` writes it, cached, and done without where they are missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from stream_app.models.embedder import ENCODERS, FetchedEncoders, SentenceEncoder, fetched_encoders, look_for_encoders
from stream_app.models.sentence_space import SentenceSpace
from stream_app.settings import Settings
from stream_app.steps.nearness import Nearness
from stream_app.steps.product_sentences import Quotable, quotable
from stream_app.steps.product_text import choose
from stream_app.testing.embedder import FakeEmbedder
from tests.unit.steps.quotes import by_words, item

_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "lid", "broke", "kettle", "boils", "fast"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An encoder of random weights."""
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(_WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
    )
    where = tmp_path_factory.mktemp("encoder")
    BertModel(config, add_pooling_layer=False).eval().save_pretrained(where)
    core = Tokenizer(models.WordPiece({word: n for n, word in enumerate(_WORDS)}, unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    core.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    PreTrainedTokenizerFast(tokenizer_object=core, pad_token="[PAD]").save_pretrained(where)
    return str(where)


def test_vector_is_the_first_token_s_of_length_1(folder: str) -> None:
    found = SentenceEncoder(folder, "en").embed(["the lid broke", "the kettle boils fast"])

    bert = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    with torch.inference_mode():
        expected = bert(torch.tensor([[2, 5, 6, 7, 3]])).last_hidden_state[0, 0]
    np.testing.assert_allclose(found[0], torch.nn.functional.normalize(expected, dim=0).numpy(), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_vector_does_not_depend_on_the_others_of_its_batch(folder: str) -> None:
    encoder = SentenceEncoder(folder, "en")
    together = encoder.embed(["the lid broke", "the kettle boils fast", "fast " * 20])

    np.testing.assert_allclose(encoder.embed(["the kettle boils fast"])[0], together[1], atol=1e-5)


def test_encoder_is_loaded_for_the_first_sentence_of_its_language(folder: str) -> None:
    encoders = FetchedEncoders({"en": folder, "zh": "nowhere"})

    assert encoders.embed(["the lid"], "en").shape == (1, 16)


def test_encoders_that_are_not_fetched_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(_env_file=None, models_folder=str(tmp_path))
    folders, missing = look_for_encoders(settings)

    assert folders == {}
    assert {language for language, what in missing.items() if f"models fetch {ENCODERS[language]}" in what} == {
        "en",
        "zh",
    }
    assert fetched_encoders(settings) is None
    assert "".join(capsys.readouterr()).count("encoder_is_missing") == 2


def found() -> list[Quotable]:
    return quotable(
        [
            item("a", sentence="The kettle boils fast.\nThe lid broke."),
            item("b", sentence="A kettle that boils fast."),
            item("c", sentence="水壶很好用。", language="zh"),
            item("d", sentence="La bouilloire est rapide.", language="fr"),
        ]
    )


def test_sentences_are_near_by_their_vectors_within_a_language() -> None:
    near = SentenceSpace(FakeEmbedder()).measure(found())

    assert near.between[0][2] > 0.9 > near.between[0][1]
    assert near.between[0][3] == near.between[3][4] == 0
    assert near.between[4][4] == 1, "by shared words, without an encoder"


def test_each_sentence_is_embedded_once() -> None:
    embedder = FakeEmbedder()
    space = SentenceSpace(embedder)
    space.measure(found())
    embedder.embedded.clear()
    space.measure([*found(), *quotable([item("e", sentence="The handle is hot.")])])

    assert embedder.embedded == [["The handle is hot."]]


@pytest.mark.parametrize("embedder", [None, FakeEmbedder(frozenset({"de"}))])
def test_shared_words_stand_in_where_no_encoder_reads_the_language(embedder: FakeEmbedder | None) -> None:
    assert SentenceSpace(embedder).measure(found()) == by_words(found())


def test_encoder_that_was_damaged_after_the_start_is_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    embedder = FakeEmbedder(frozenset({"en"}))
    embedder.damaged = True
    space = SentenceSpace(embedder)

    assert [space.measure(found()) for _ in range(2)] == [by_words(found())] * 2
    assert "".join(capsys.readouterr()).count("encoder_is_missing") == 1


class Shaken(FakeEmbedder):
    """Vectors differ in the sixth decimal, as by what is computed together."""

    def embed(self, texts: Any, language: str) -> Any:
        rng = np.random.default_rng(len(self.embedded))
        vectors = super().embed(texts, language)
        return vectors + rng.normal(0, 1e-7, vectors.shape).astype(np.float32)


def test_rounding_errors_of_vectors_change_no_text() -> None:
    def chosen(embedder: FakeEmbedder) -> Any:
        near: Nearness = SentenceSpace(embedder).measure(found())
        return choose(found(), near)

    assert chosen(Shaken()) == chosen(FakeEmbedder())
