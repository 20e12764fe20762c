"""Changes marked statements of Python and Lua source, so that what they guarantee no longer holds.

A marker is a comment ``# guarantee: NAME[, NAME …]`` (Lua: ``--``) at the end of a line, or on a line of its own before
it. It marks the statement that the line belongs to; on a later line of a statement of several lines, what stands on
that line alone: an argument, an element, an operand.

    skip            the statement, argument, element or operand is left out
    never, always   its condition is False, True: of if, while, a conditional expression, a comprehension, a returned
                    comparison; never on an except clause catches nothing, always any Exception, and always on a with
                    statement runs its body alone
    without_first   the outermost of its operators loses its first operand
    without_last    and its last
    call_at_once    a callback, the last argument of its call, is called at once instead of when it is due
    value           = expression: what it returns, assigns, iterates over or asks for
    argument        = expression: the last argument of its outermost call
    instead         = statements: they stand in its place; further statements that are marked are left out
    text            = [old, new]: where nothing above fits; old stands once on its line, or in a file without markers
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_MARKER = re.compile(r"\s*(?:#|--) guarantee: ([\w-]+(?:, [\w-]+)*)$")
_COMMENTS = ("#", "--")

Place = tuple[int, int]  # line, from 1; column in UTF-8 bytes
Edit = tuple[Place, Place, str]


class Unmatched(ValueError):
    """The mutation does not fit what is marked."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """A kind of the list above, with its expression, statements or texts."""

    kind: str
    new: str = ""
    old: str = ""

    def apply(self, source: str, name: str, *, lua: bool = False) -> str:
        """The source with this done to what ``name`` marks. Raises Unmatched."""
        lines = marked_lines(source).get(name, [])
        if self.kind == "text" and not lines:
            return _replaced_once(source, self.old, self.new)
        if not lines:
            raise Unmatched("nothing is marked with it")
        if lua or self.kind == "text":
            rows = source.split("\n")
            for line in lines:
                rows[line - 1] = self._row(rows[line - 1])
            return "\n".join(rows)
        tree = ast.parse(source)
        edits: list[Edit] = []
        for nth, line in enumerate(lines):
            edits += self._edits(tree, line, first=nth == 0)
        return _spliced(source, edits)

    def _row(self, row: str) -> str:
        """A line of Lua, or of text."""
        code = _MARKER.sub("", row)
        word = "false" if self.kind == "never" else "true"
        if self.kind == "text":
            return _replaced_once(code, self.old, self.new)
        if self.kind == "skip":
            return ""
        if self.kind in ("never", "always") and code.lstrip().startswith("if "):
            return re.sub(r"\bif .* then", f"if {word} then", code)
        if self.kind in ("never", "always"):
            return re.sub(r"\breturn .*", f"return {word}", code)
        raise Unmatched(f"{self.kind} is not for Lua")

    def _edits(self, tree: ast.AST, line: int, *, first: bool) -> Iterator[Edit]:
        statement = _statement(tree, line)
        node = _marked(statement, line)
        if self.kind == "skip" or (self.kind == "instead" and not first):
            yield _put(node, "pass") if node is statement else _left_out(statement, node)
        elif self.kind == "instead":
            yield _put(node, textwrap.indent(self.new.strip(), " " * _begin(node)[1]).lstrip())
        elif self.kind in ("never", "always"):
            yield _decided(node, holds=self.kind == "always")
        elif self.kind == "value":
            yield _put(_value(node), f"({self.new})")
        elif self.kind == "argument":
            yield _put(_last_argument(node), self.new)
        elif self.kind == "call_at_once":
            callback = _last_argument(node)
            yield _put(callback, "lambda: None")
            yield _end(node), _end(node), f"\n{' ' * _begin(node)[1]}({ast.unparse(callback)})()"
        elif self.kind in ("without_first", "without_last"):
            yield _shortened(node, first=self.kind == "without_first")
        else:
            raise Unmatched(f"there is no mutation {self.kind}")


def marked_lines(source: str) -> dict[str, list[int]]:
    """The lines, from 1, that each name marks."""
    found: dict[str, list[int]] = {}
    rows = source.split("\n")
    for at, row in enumerate(rows):
        if match := _MARKER.search(row):
            while not rows[at].strip() or rows[at].lstrip().startswith(_COMMENTS):
                at += 1
            for name in match[1].split(", "):
                found.setdefault(name, []).append(at + 1)
    return found


def _replaced_once(text: str, old: str, new: str) -> str:
    if (times := text.count(old)) != 1:
        raise Unmatched(f"{old!r} stands there {times} times")
    return text.replace(old, new)


def _spliced(source: str, edits: Sequence[Edit]) -> str:
    rows = [row.encode() for row in source.split("\n")]
    for (from_line, from_column), (to_line, to_column), text in sorted(edits, reverse=True):
        new = rows[from_line - 1][:from_column] + text.encode() + rows[to_line - 1][to_column:]
        rows[from_line - 1 : to_line] = [new]
    return b"\n".join(rows).decode()


def _statement(tree: ast.AST, line: int) -> ast.AST:
    """The innermost statement, or except clause, that has a part on this line."""
    kinds = (ast.stmt, ast.ExceptHandler)
    found = [one for one in ast.walk(tree) if isinstance(one, kinds) and _begin(one)[0] <= line <= _end(one)[0]]
    return max(found, key=_begin)


def _marked(statement: ast.AST, line: int) -> ast.AST:
    """The statement itself, or what stands on this later line of it alone; of a dictionary's entry, the value."""
    kinds = (ast.expr, ast.keyword)
    parts = [one for one in ast.walk(statement) if isinstance(one, kinds) and _begin(one)[0] == line == _end(one)[0]]
    if _begin(statement)[0] == line or not parts:
        return statement
    return max(parts, key=lambda one: (_end(one), -_begin(one)[1]))


def _begin(node: ast.AST) -> Place:
    return node.lineno, node.col_offset  # type: ignore[attr-defined]


def _end(node: ast.AST) -> Place:
    return node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]


def _put(node: ast.AST, text: str) -> Edit:
    return _begin(node), _end(node), text


def _outermost(node: ast.AST, fits: Callable[[ast.AST], bool]) -> ast.AST:
    """Of a statement with a body: in its head."""
    head = getattr(node, "test", None) or getattr(node, "iter", None) if hasattr(node, "body") else None
    for one in ast.walk(head if isinstance(node, ast.stmt) and head is not None else node):
        if fits(one):
            return one
    raise Unmatched(f"nothing of the kind in {ast.unparse(node)}")


def _left_out(statement: ast.AST, part: ast.AST) -> Edit:
    for parent in ast.walk(statement):
        for field, children in ast.iter_fields(parent):
            if isinstance(children, list) and part in children:
                setattr(parent, field, [one for one in children if one is not part])
                return _put(parent, ast.unparse(parent))
    raise Unmatched(f"{ast.unparse(part)} cannot be left out")


def _decided(node: ast.AST, *, holds: bool) -> Edit:
    if isinstance(node, ast.ExceptHandler) and node.type is not None:
        return _put(node.type, "Exception" if holds else "()")
    if isinstance(node, ast.With | ast.AsyncWith) and holds:
        return _begin(node), _begin(node.body[0]), "if True:\n" + " " * _begin(node.body[0])[1]
    if isinstance(node, ast.If | ast.While):
        return _put(node.test, str(holds))
    try:
        found = _outermost(node, lambda one: isinstance(one, ast.IfExp) or bool(getattr(one, "ifs", None)))
    except Unmatched:
        if isinstance(node, ast.Return):
            return _put(_value(node), str(holds))
        raise
    return _put(found.test if isinstance(found, ast.IfExp) else found.ifs[0], str(holds))  # type: ignore[attr-defined]


def _value(node: ast.AST) -> ast.AST:
    for field in ("value", "test", "iter"):
        if isinstance(node, ast.stmt | ast.keyword) and isinstance(found := getattr(node, field, None), ast.AST):
            return found
    if not isinstance(node, ast.expr):
        raise Unmatched(f"no value in {ast.unparse(node)}")
    return node


def _last_argument(node: ast.AST) -> ast.AST:
    call = _outermost(node, lambda one: isinstance(one, ast.Call) and bool(one.args or one.keywords))
    return max([*call.args, *(one.value for one in call.keywords)], key=_begin)  # type: ignore[attr-defined]


def _shortened(node: ast.AST, *, first: bool) -> Edit:
    def is_chain(one: ast.AST) -> bool:
        return isinstance(one, ast.BoolOp | ast.BinOp) or (isinstance(one, ast.Compare) and len(one.ops) > 1)

    chain = _outermost(node, is_chain)
    if isinstance(chain, ast.BinOp):
        return _put(chain, f"({ast.unparse(chain.right if first else chain.left)})")
    if isinstance(chain, ast.BoolOp):
        rest = chain.values[1:] if first else chain.values[:-1]
        return _put(chain, f"({ast.unparse(ast.BoolOp(chain.op, rest) if len(rest) > 1 else rest[0])})")
    assert isinstance(chain, ast.Compare)
    operands = [chain.left, *chain.comparators]
    operands = operands[1:] if first else operands[:-1]
    shorter = ast.Compare(operands[0], chain.ops[1:] if first else chain.ops[:-1], operands[1:])
    return _put(chain, f"({ast.unparse(shorter)})")
