"""A labelled set for the rule `safety`: sentences of reviews about hazards, and harmless ones that look alike.

``python -m tests.unit.steps.safety_set`` prints recall and precision per language, as docs/alerts.md reports;
``--wrong`` also prints what is missed and what is found by mistake.
``safety_sentences/<language>.txt``: a line is a sentence, after ``+`` where it speaks of a hazard, else after ``-``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from stream_app.steps.safety import safety_words_in_each

FOLDER = Path(__file__).parent / "safety_sentences"
LANGUAGES = ("en", "zh", "de", "fr", "es", "it")


@dataclass(frozen=True)
class Scores:
    """How the terms do on some sentences."""

    hazards: int
    harmless: int
    missed: tuple[str, ...]
    mistaken: tuple[str, ...]

    @property
    def recall(self) -> float:
        return 1 - len(self.missed) / self.hazards

    @property
    def precision(self) -> float:
        found = self.hazards - len(self.missed)
        return found / (found + len(self.mistaken)) if found else 0.0


def sentences(language: str, folder: Path = FOLDER) -> tuple[list[str], list[str]]:
    """Those about hazards, and the harmless ones."""
    lines = (folder / f"{language}.txt").read_text(encoding="utf-8").splitlines()
    return [line[2:] for line in lines if line[0] == "+"], [line[2:] for line in lines if line[0] == "-"]


def scores(*languages: str, folder: Path = FOLDER) -> Scores:
    """Over the sentences of these languages together."""
    hazards, harmless = [], []
    for language in languages:
        of_hazards, without = sentences(language, folder)
        hazards += of_hazards
        harmless += without
    found, mistaken = safety_words_in_each(hazards), safety_words_in_each(harmless)
    return Scores(
        len(hazards),
        len(harmless),
        tuple(text for index, text in enumerate(hazards) if index not in found),
        tuple(f"{harmless[index]} {kinds}" for index, kinds in sorted(mistaken.items())),
    )


def main() -> None:
    print("| language | hazards | look-alikes | recall | precision |\n|---|---|---|---|---|")
    for language in (*LANGUAGES, "all"):
        made = scores(*(LANGUAGES if language == "all" else (language,)))
        print(f"| {language} | {made.hazards} | {made.harmless} | {made.recall:.2f} | {made.precision:.2f} |")
        if "--wrong" in sys.argv and language != "all":
            print(
                "\n".join(
                    [*(f"missed:   {one}" for one in made.missed), *(f"mistaken: {one}" for one in made.mistaken)]
                )
            )


if __name__ == "__main__":
    main()
