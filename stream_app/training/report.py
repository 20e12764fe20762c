"""Writes the report of an evaluation: `report.json` for programs, `report.md` for people, and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from stream_app.ports import ConfigurationError
from stream_app.records import ModelName
from stream_app.training.data import describe_file
from stream_app.training.rows import BadRow, names_of_bad

JSON_FILE = "report.json"
_OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_DATACLASS | orjson.OPT_NON_STR_KEYS


@dataclass(frozen=True, slots=True)
class Run:
    """What was evaluated and how. ``command``: the exact command line. ``how``: device, backend and precision.

    ``seed``: None where nothing was drawn. ``bad_rows``: by data file, the rows that could not be used.
    """

    what: str
    command: str
    model: ModelName
    how: str
    seed: int | None
    bad_rows: Mapping[Path, Sequence[BadRow]]


def report_of(run: Run, scores: Mapping[str, Any]) -> dict[str, Any]:
    """The report as JSON objects: the run's facts, and ``scores`` beside them."""
    data = []
    for path, bad in run.bad_rows.items():
        file = describe_file(path)
        named = [names_of_bad(path, bad)] if bad else []
        data.append({"name": file.name, "rows": file.rows, "bad_rows": len(bad), "named": named, "sha256": file.sha256})
    facts = {
        "report": run.what,
        "made_on": datetime.now(UTC).date().isoformat(),
        "command": run.command,
        "seed": run.seed,
        "stream_app": version("stream-app"),
        "model": {"name": run.model.name, "revision": run.model.revision, "computed": run.how},
        "data": data,
    }
    report: dict[str, Any] = orjson.loads(orjson.dumps(facts | dict(scores), option=_OPTIONS))
    return report


def write_report(folder: Path, report: Mapping[str, Any], sections: Sequence[str]) -> None:
    """Write ``report.json``, and ``report.md`` of the facts and these sections. Raises ConfigurationError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / JSON_FILE).write_bytes(orjson.dumps(report, option=_OPTIONS))
        (folder / "report.md").write_text("\n\n".join([_facts(report), *sections]) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"The report cannot be written to {folder}: {error.strerror}.") from error


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; numbers stand on the right."""
    right = [all(isinstance(row[at], int | float) or row[at] is None for row in rows) for at in range(len(header))]
    lines = [header, ["---:" if one else "---" for one in right], *([shown(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shown(value: Any) -> str:
    """A cell: shares with three digits, whole numbers with thousands apart."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|").replace("\n", " ")


def _facts(report: Mapping[str, Any]) -> str:
    model, data = report["model"], report["data"]
    lines = [
        f"# {model['name']}: evaluation of {report['report']}",
        "",
        f"Made on {report['made_on']} by stream-app {report['stream_app']}"
        + (":" if report["seed"] is None else f", seed {report['seed']}:"),
        "",
        "```sh",
        report["command"],
        "```",
        "",
        f"Model {model['name']}, revision {model['revision']}"
        + (f", computed on {model['computed']}." if model["computed"] else "."),
        "",
        table(
            ["data file", "rows", "bad rows", "SHA-256"],
            [[one["name"], one["rows"], one["bad_rows"], one["sha256"]] for one in data],
        ),
    ]
    if named := [sentence for one in data for sentence in one["named"]]:
        lines += ["", "Bad rows, left out:", "", *(f"- {sentence}" for sentence in named)]
    return "\n".join(lines)
