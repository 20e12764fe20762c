"""The files of results: results.json, and results.md and results.png drawn from it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from benchmarks.harness.plot import plot
from benchmarks.harness.report import processor
from benchmarks.sections.registry import SECTIONS
from benchmarks.sections.section import Measured


def write(name: str, measured: Measured, mix: str, minutes: float, folder: Path) -> None:
    """Put the section into results.json in place of an older one, and draw results.md and results.png from all."""
    file = folder / "results.json"
    machine = this_machine()
    try:
        results = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        results = {}
    if results.get("machine") != machine:
        results = {"machine": machine, "sections": {}}
    results["sections"][name] = {
        "title": SECTIONS[name].title,
        "measured_at": datetime.now(UTC).date().isoformat(),
        "mix": mix,
        "minutes": round(minutes, 1),
        "numbers": {key: round(value, 4) for key, value in measured.numbers.items()},
        "bars": measured.bars,
        "text": measured.text,
    }
    ordered = {one: results["sections"][one] for one in SECTIONS if one in results["sections"]}
    head = {key: value for section in ordered.values() for key, value in section["numbers"].items()}
    results = head | {"machine": machine, "sections": ordered}
    file.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    (folder / "results.md").write_text(_page(results), encoding="utf-8")
    plot({section["title"]: section["bars"] for section in ordered.values()}, folder / "results.png")


def this_machine() -> dict[str, Any]:
    import torch

    machine = {"processor": processor(), "cores": len(os.sched_getaffinity(0)), "torch": torch.__version__}
    return machine | ({"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {})


def _page(results: dict[str, Any]) -> str:
    machine = results["machine"]
    where = f"{machine['processor']}, {machine['cores']} cores, torch {machine['torch']}"
    where += f", {machine['gpu']}" if "gpu" in machine else ""
    lines = ["# Measured", "", f"{where}. Written by `make bench`: medians (least – most).", ""]
    lines += ["![reviews per second](results.png)", ""]
    for section in results["sections"].values():
        lines += [f"## {section['title']}", "", f"{section['measured_at']}, {section['mix']}.", "", section["text"], ""]
    return "\n".join(lines)
