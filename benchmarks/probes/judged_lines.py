"""What judging its lines costs T5: the same reviews without and with it, in turns.

    python -m benchmarks.probes.judged_lines [--input reviews.jsonl] [--reviews 600] [--rounds 3]

Prints lines/s of each, all reviews waiting in memory, and the ratio of the best rounds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.load.workload import SAMPLE, workload
from benchmarks.probes.batcher import drain
from benchmarks.probes.models_alone import inputs_of_t5, sizes_of
from benchmarks.probes.texts import prepared_texts
from stream_app.models.loading import load_models, load_summary_model
from stream_app.settings import Settings
from stream_app.steps import prepare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=SAMPLE)
    parser.add_argument("--reviews", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    settings = Settings(_env_file=None, summaries="always")
    texts = [
        text
        for text in prepared_texts(workload(options.input, options.reviews), settings)
        if prepare.needs_summary(text, settings.summary_min_words)
    ]
    t5, judged = load_summary_model(settings), load_models(settings)
    assert judged.summary is not None
    asked = inputs_of_t5(t5, judged.sentiment.model, texts)
    models = {"without": t5.model, "judged": judged.summary.model}
    rates = dict.fromkeys(models, 0.0)
    for model in models.values():
        drain(model, asked[: len(asked) // 10], *sizes_of(t5))  # warm-up
    for _ in range(options.rounds):
        for name, model in models.items():
            lines, seconds = drain(model, asked, *sizes_of(t5))
            rates[name] = max(rates[name], len(asked) / seconds)
            print(f"{name}: {len(asked) / seconds:.1f} lines/s, {sum(map(bool, lines)) / len(lines):.1%} kept")
    print(f"{len(asked)} reviews; judged / without: {rates['judged'] / rates['without']:.3f}")


if __name__ == "__main__":
    main()
