"""Documents lead to what is there, the changelog keeps its form, and commit hooks run what `make lint` runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def test_changelog_is_of_versions_with_sections_of_entries() -> None:
    """In the form of Keep a Changelog, each section once in a version, no entry twice."""
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    headings = [line for line in lines if line.startswith("#")]
    version = ""
    seen: set[tuple[str, str]] = set()
    for line in headings[1:]:
        if line.startswith("## "):
            version = line
        assert (version, line) not in seen
        seen.add((version, line))
        assert re.fullmatch(
            r"## (Unreleased|\d+\.\d+\.\d+ – \d{4}-\d\d-\d\d)|### (Added|Changed|Removed|Fixed|Security)", line
        )
    entries = [line for line in lines if line.startswith("- ")]
    assert len(set(entries)) == len(entries)
    assert [line for line in entries if re.match(r"- (Added|Changed|Fixed|Mended):", line)] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_of_documents_lead_to_files_and_headings(file: Path) -> None:
    """Within the repository; a moved document leaves no dead link."""
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", file.read_text(encoding="utf-8")):
        path, _, heading = target.partition("#")
        there = file if not path else file.parent / path
        assert there.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in titles}, target


def test_pre_commit_hooks_are_of_the_locked_versions() -> None:
    """Else a commit passes here and fails in `make lint`."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    pinned = {repo["repo"].rsplit("/", 1)[1].removesuffix("-pre-commit"): repo["rev"] for repo in hooks}
    locked = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    assert pinned == {one["name"]: f"v{one['version']}" for one in locked if one["name"] in pinned}


# Words that were used here in a sense of their own, with the terms of docs/glossary.md and of the field.
PRIVATE_TERMS = {
    "mend(s|ed|ing)?": "fix",
    "felt": "had an effect",
    "landed": "completed",
    "anew(?!_total)": "again",  # a metric keeps its name
    "spoilt": "corrupted",
    "ruled": "scripted",
    "refold": "replay",
    "incarnation": "server identity",
    "flight log": "in-flight journal",
    "words of danger": "safety terms",
    "known texts": "cache hits",
}
EXEMPT = (
    Path(__file__).name,
    "benchmarks/results/",
    "safety_terms",
    "safety_sentences",
    "safety_frequencies",
    "safety_set",
    "sample",
    "bundled",
)


def test_private_terms_stay_out() -> None:
    """Code, tests and documents use the field's terms. Reports of earlier runs stay as they were written."""
    pattern = re.compile(rf"(?<![a-z])({'|'.join(PRIVATE_TERMS)})(?![a-z])", re.IGNORECASE)  # within identifiers too
    folders = [ROOT / name for name in ("stream_app", "tests", "benchmarks", "docs")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".lua", ".toml", ".md")]
    files += [file for file in FILES if file.name != "CHANGELOG.md"]
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files
        if not any(name in str(path) for name in EXEMPT) and path.parent != ROOT / "benchmarks"
        for match in pattern.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == [], f"use {PRIVATE_TERMS}"
