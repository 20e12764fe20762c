"""Fits a trained classifier's row for hazards again, on more sentences, and leaves all else as it is.

python -m stream_app.training.hazard_head --model review-sentiment-en --output FOLDER

The encoder stays as it is, so the row is a logistic regression on the sentences' vectors: convex, and without a seed
that matters. `stream-app train sentiment --heads-only` moves it too little in an epoch, and repeats the encoder's work
in each.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch.nn import functional as F

from stream_app.models.multitask import HAZARD, span_means
from stream_app.training.batches import tensors, tokenized
from stream_app.training.examples import Example, LabelledSentence, of_sentences, read_sentences, together

PENALTY = 2e-3
"""Of the squared weights. In cross-validation smaller ones are worse: see decision 33."""
_MAX_TOKENS = 128
_BATCH_TEXTS = 32
_STEPS = 100


def fitted_row(vectors: torch.Tensor, hazards: torch.Tensor, penalty: float = PENALTY) -> tuple[torch.Tensor, float]:
    """(weights [width], bias) of a logistic regression.

    ``vectors``: [sentences, width]. ``hazards``: [sentences], 0 or 1.
    """
    weights = torch.zeros(vectors.shape[1], requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        error = F.binary_cross_entropy_with_logits(vectors @ weights + bias, hazards)
        total = error + penalty * weights.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return weights.detach(), bias.item()


def views(sentences: Sequence[LabelledSentence], seed: str = "v0") -> list[Example]:
    """Each sentence alone, and once in a text with up to three others: a worker reads both."""
    return [*(together([one]) for one in sentences), *of_sentences([[one] for one in sentences], random.Random(seed))]


def sentence_vectors(model: Any, tokenizer: Any, examples: Sequence[Example]) -> tuple[torch.Tensor, torch.Tensor]:
    """([sentences, width], [sentences] of 0 or 1): what the heads read of each sentence, and whether it is a hazard."""
    read = sorted(tokenized(examples, tokenizer, _MAX_TOKENS), key=lambda one: len(one.ids))
    vectors, hazards = [], []
    for start in range(0, len(read), _BATCH_TEXTS):
        inputs = tensors(read[start : start + _BATCH_TEXTS], {}, tokenizer.pad_token_id)
        with torch.inference_mode():
            hidden = model.bert(input_ids=inputs["ids"], attention_mask=inputs["mask"]).last_hidden_state
            vectors.append(span_means(hidden, inputs["spans"]))
        hazards.append(inputs["hazard"])
    return torch.cat(vectors).clone(), torch.cat(hazards)


def main() -> None:
    from stream_app.models.catalog import LAYERS_WEIGHTS, known
    from stream_app.models.classifier import find_classifier
    from stream_app.models.loading import silence_libraries
    from stream_app.models.model_store import ModelStore
    from stream_app.settings import ModelSettings

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", default="review-sentiment-en", help="a bundled classifier that has layers of its own"
    )
    parser.add_argument("--language", default="en")
    data = Path(str(files("stream_app.training"))) / "data" / "hazard_sentences.jsonl"
    parser.add_argument("--sentences", type=Path, default=data, help="lines of {text, hazard, language}")
    parser.add_argument("--output", type=Path, required=True, help="a folder: layers.safetensors is written into it")
    options = parser.parse_args()
    silence_libraries()
    loaded = find_classifier(options.model)
    read = read_sentences(
        options.sentences, {}, options.language, all_held_out=True
    )  # all: it is scored on another file
    sentences = [one for group in read.held_out for one in group]
    vectors, hazards = sentence_vectors(loaded.model, loaded.tokenizer, views(sentences))
    weights, bias = fitted_row(vectors, hazards)
    store = ModelStore.of(ModelSettings())
    weights_file = store.folder_of(known(options.model)) / LAYERS_WEIGHTS
    state = load_file(str(weights_file))
    state["sentence_classifier.weight"][HAZARD] = weights.half()
    state["sentence_classifier.bias"][HAZARD] = bias
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / weights_file.name).write_bytes(save(state))
    print(
        f"{len(sentences)} sentences, {int(sum(bool(one.hazard) for one in sentences))} about hazards; {options.output}"
    )


if __name__ == "__main__":
    main()
