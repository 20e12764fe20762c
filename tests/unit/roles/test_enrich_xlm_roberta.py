"""A multilingual classifier that is named for a language reads its reviews: an XLM-RoBERTa with random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForSequenceClassification

from stream_app.models.loading import load_sentiment_models_of_languages
from stream_app.models.tuned import Loaded, TunedModel
from stream_app.settings import ModelSettings
from stream_app.testing.models import FakeClassifier
from tests.unit.roles.enrich_stage import ENGLISH, Stage, review, run

FRENCH = [
    "Le couvercle s'est cassé au bout d'une semaine et le vendeur ne répond jamais.",
    "Très bonne qualité, la livraison était rapide et je recommande ce produit.",
]
STARS = {index: f"{index + 1} star{'s' if index else ''}" for index in range(5)}


@pytest.fixture
def xlm_roberta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a tiny one, as `save_pretrained` writes it; its pieces are learned from the reviews."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    specials = ["<s>", "<pad>", "</s>", "<unk>"]  # XLM-RoBERTa's, at its ids
    pieces = Tokenizer(models.Unigram())
    pieces.normalizer = normalizers.NFKC()
    pieces.pre_tokenizer = pre_tokenizers.Metaspace()
    pieces.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=90, special_tokens=specials, unk_token="<unk>", show_progress=False)
    pieces.train_from_iterator(FRENCH, trainer)
    pieces.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=pieces,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=64,
    )
    torch.manual_seed(1)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=66,
        pad_token_id=1,
        num_labels=len(STARS),
        id2label=STARS,
        label2id={name: index for index, name in STARS.items()},
    )
    folder = tmp_path / "xlm-roberta"
    XLMRobertaForSequenceClassification(config).save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


def probabilities(folder: Path, text: str) -> tuple[float, float, float]:
    """Of negative, neutral, positive, as transformers alone computes them."""
    model = XLMRobertaForSequenceClassification.from_pretrained(str(folder)).eval()
    with torch.inference_mode():
        logits = model(**AutoTokenizer.from_pretrained(str(folder))(text, return_tensors="pt")).logits
    stars = logits[0].softmax(dim=-1).tolist()
    return stars[0] + stars[1], stars[2], stars[3] + stars[4]


def test_xlm_roberta_that_is_named_for_french_reads_french_reviews(xlm_roberta: Path) -> None:
    english = FakeClassifier(languages=ENGLISH)
    named = {"sentiment_models": f"fr={xlm_roberta}", "summaries": "off", "backend": "torch", "precision": "fp32"}

    def load(settings: ModelSettings) -> Loaded:
        return Loaded(TunedModel(english, 1000, 1000), None, load_sentiment_models_of_languages(settings))

    async def scenario() -> None:
        stage = Stage({}, load=load, **named)
        await stage.role.start(stage.acks)
        try:
            await stage.take(review(0, FRENCH[0]), review(1, "I love it."), review(2, FRENCH[1]))
            await stage.finished(0, 1, 2)
        finally:
            await stage.role.stop()
        assert stage.errors == []
        made = stage.enriched()
        for offset, text in ((0, FRENCH[0]), (2, FRENCH[1])):
            assert made[offset].language == "fr"
            model = made[offset].sentiment_model
            assert model is not None
            assert model.name == xlm_roberta.name
            found = made[offset].sentiment
            assert found is not None
            assert found.scores == pytest.approx(probabilities(xlm_roberta, text), abs=1e-3)
        assert {text for texts in english.ran for text in texts} == {"I love it."}

    run(scenario)
