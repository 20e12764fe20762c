"""Who may import whom: the rooms of ARCHITECTURE.md, read from the source itself."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

import stream_app

_PACKAGE = Path(stream_app.__file__).parent
_MODULES = {
    ".".join(("stream_app", *file.relative_to(_PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): file
    for file in sorted(_PACKAGE.rglob("*.py"))
}


@cache
def imports(module: str) -> frozenset[str]:
    """Full names of all modules that a module imports, in functions and for type checking too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(_MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively: write the full name"
            assert node.module is not None
            found.add(node.module)
            found.update(name for alias in node.names if (name := f"{node.module}.{alias.name}") in _MODULES)
    return frozenset(found)


def within(module: str, *rooms: str) -> bool:
    return any(module == f"stream_app.{room}" or module.startswith(f"stream_app.{room}.") for room in rooms)


def offenders(importers: list[str], forbidden: tuple[str, ...]) -> list[str]:
    """ "importer -> imported" for all that ``importers`` import of the modules named ``forbidden``."""
    return [
        f"{module} -> {imported}"
        for module in importers
        for imported in imports(module)
        if any(imported == name or imported.startswith(f"{name}.") for name in forbidden)
    ]


def test_modules_are_found() -> None:
    assert {"stream_app.records", "stream_app.steps.clean", "stream_app.__main__"} <= set(_MODULES)
    assert "stream_app.steps.clean" in imports("stream_app.steps.prepare")


def test_steps_and_records_import_nothing_of_ours_but_each_other() -> None:
    for module in (one for one in _MODULES if within(one, "steps", "records")):
        own = [name for name in imports(module) if name.split(".")[0] == "stream_app" and name != "stream_app"]
        assert [name for name in own if not within(name, "steps", "records")] == [], module


def test_records_and_the_role_table_import_nothing_of_ours() -> None:
    assert offenders(["stream_app.records", "stream_app.role_table"], ("stream_app",)) == []


@pytest.mark.parametrize("room", ["models", "kafka", "store"])
def test_adapters_never_import_each_other(room: str) -> None:
    others = tuple(f"stream_app.{other}" for other in ("models", "kafka", "store") if other != room)

    assert offenders([module for module in _MODULES if within(module, room)], others) == []


@pytest.mark.parametrize(
    ("libraries", "rooms"),
    [
        (("torch", "transformers", "peft", "tokenizers", "safetensors"), ("models", "training")),
        (("onnx",), ("models",)),
        (("faust", "mode", "aiokafka"), ("kafka",)),
        (("confluent_kafka",), ("kafka", "embedded.kafka")),
        (("redis",), ("store",)),
    ],
)
def test_library_is_imported_only_in_its_room(libraries: tuple[str, ...], rooms: tuple[str, ...]) -> None:
    assert offenders([module for module in _MODULES if not within(module, *rooms)], libraries) == []


def test_roles_import_neither_what_operators_run_nor_the_api() -> None:
    above = ("stream_app.rebuild", "stream_app.erasure", "stream_app.api", "stream_app.embedded")

    assert offenders([module for module in _MODULES if within(module, "roles")], above) == []


def test_nothing_imports_commands_but_the_entry_point() -> None:
    others = [module for module in _MODULES if not within(module, "commands", "__main__")]

    assert offenders(others, ("stream_app.commands", "stream_app.__main__")) == []
