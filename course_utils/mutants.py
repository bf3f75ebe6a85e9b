"""Mutants: every version of a text of Python that differs from it by one small mistake.

A check is worth as much as the mistakes it notices. So we take the solution, make each of the slips a person makes (a
sign, a bound, another variable, a line in the wrong place), and `prove` sees whether the check notices.

Rules kept here:

- **One edit of the text.** A mutant is the text with a few characters changed or a statement moved, so that it can be
  shown as a line before and after, and listed by that line whatever its number.
- **No mutant twice, none that is the text itself.** Two texts with the same syntax tree are one; one that Python can't
  compile is none.
- **Names come from their own function**, so that a mutant goes wrong by what it means and not by a NameError.

mutmut and cosmic-ray are alive, and mutate whole projects under a test runner. Called on the text of one function,
cosmic-ray leaves out names, removed and moved statements, dropped operands and strings, and brings thirteen packages.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
ORDER: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
OPPOSITE: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
BUILTINS = {"min": "max", "max": "min", "any": "all", "all": "any"}
MOVED = ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr | ast.Return | ast.Break | ast.Continue
LOOPS = ast.For | ast.AsyncFor | ast.While
COMPOUND = LOOPS | ast.If | ast.With | ast.AsyncWith | ast.Try
SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True)
class Mutant:
    """A changed text; ``operator`` is the kind of mistake, ``line`` the line as it was.

    ``change`` is the line as it is now, or what became of it; by this a mutant is known.
    """

    operator: str
    line: str
    change: str
    source: str


@dataclass(frozen=True)
class _Edit:
    """Put ``new`` in place of the bytes from ``start`` to ``end``; ``line`` and ``change``, if they would not say it."""

    operator: str
    start: int
    end: int
    new: str
    line: str = ""
    change: str = ""


def mutants(source: str) -> list[Mutant]:
    """All mutants of a text, in the order of its lines."""
    text = _Text(source)
    seen = {ast.dump(text.tree)}
    made = []
    for edit in sorted(text.edits(), key=lambda edit: edit.start):
        mutated = text.changed(edit)
        shape = _shape(mutated)
        if shape and shape not in seen:
            seen.add(shape)
            line, change = (edit.line, edit.change) if edit.change else text.lines(edit)
            made.append(Mutant(edit.operator, line, change, mutated))
    return made


def _shape(source: str) -> str:
    """The syntax tree as a text; nothing, if Python would not compile it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `x is 0` and the like
        try:
            tree = ast.parse(source)
            compile(tree, "<mutant>", "exec")
        except (SyntaxError, ValueError):
            return ""
    return ast.dump(tree)


class _Text:
    """The source as bytes, because that is how a syntax tree counts columns."""

    def __init__(self, source: str) -> None:
        self.raw = source.encode()
        self.tree = ast.parse(source)
        self.starts = [0, *(match.end() for match in re.finditer(rb"\n", self.raw))]
        self.strings = _strings(self.tree)

    # ------------------------------------------------------------------------------------------------------ places

    def start(self, node: ast.expr | ast.stmt) -> int:
        return self.starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self.starts[node.end_lineno - 1] + node.end_col_offset

    def of(self, node: ast.expr | ast.stmt) -> str:
        return self.raw[self.start(node) : self.end(node)].decode()

    def inside(self, node: ast.expr) -> str:
        """An expression as it can stand inside another: in parentheses, unless nothing can tear it apart."""
        whole = isinstance(node, ast.Name | ast.Constant | ast.Call | ast.Attribute | ast.Subscript)
        return self.of(node) if whole else f"({self.of(node)})"

    def changed(self, edit: _Edit) -> str:
        return (self.raw[: edit.start] + edit.new.encode() + self.raw[edit.end :]).decode()

    def lines(self, edit: _Edit) -> tuple[str, str]:
        """The lines that an edit touches, before and after, without their indentation."""
        begin = self.raw.rfind(b"\n", 0, edit.start) + 1
        stop = self.raw.find(b"\n", edit.end)
        stop = len(self.raw) if stop < 0 else stop
        before = self.raw[begin:stop].decode()
        after = (self.raw[begin : edit.start] + edit.new.encode() + self.raw[edit.end : stop]).decode()
        return _one_line(before), _one_line(after)

    # ------------------------------------------------------------------------------------------------------- edits

    def edits(self) -> Iterator[_Edit]:
        yield from self._visit(self.tree, ())
        for block in _blocks(self.tree):
            yield from self._statements(block)

    def _visit(self, node: ast.AST, names: tuple[str, ...]) -> Iterator[_Edit]:
        """The edits of a node and all below it; ``names`` are those of the function and comprehension around it."""
        if isinstance(node, ast.JoinedStr):
            yield self._put("string", node, "''")
            return  # until Python 3.12 what stands inside an f-string has no place of its own
        names = _known_in(node, names)
        yield from self._expression(node, names)
        for child in ast.iter_child_nodes(node):
            if not _is_docstring(child, node):
                yield from self._visit(child, names)

    def _put(self, operator: str, node: ast.expr | ast.stmt, new: str) -> _Edit:
        return _Edit(operator, self.start(node), self.end(node), new)

    def _between(self, operator: str, left: ast.expr, right: ast.expr, old: str, new: str) -> Iterator[_Edit]:
        """Change the operator that stands between two operands."""
        begin = self.end(left)
        gap = re.sub(rb"#[^\n]*", lambda comment: b" " * len(comment.group()), self.raw[begin : self.start(right)])
        pattern = rb"\s+".join(re.escape(word.encode()) for word in old.split())
        if found := re.search(pattern, gap):
            yield _Edit(operator, begin + found.start(), begin + found.end(), new)

    def _expression(self, node: ast.AST, names: tuple[str, ...]) -> Iterator[_Edit]:
        match node:
            case ast.BinOp():
                yield from self._arithmetic(node)
            case ast.Compare():
                yield from self._comparison(node)
            case ast.BoolOp():
                yield from self._boolean(node)
            case ast.UnaryOp():
                sign = {ast.Not: "not", ast.USub: "-", ast.UAdd: "+", ast.Invert: "~"}[type(node.op)]
                yield _Edit("sign", self.start(node), self.start(node) + len(sign), "")
            case ast.Constant():
                yield from (self._put("constant", node, new) for new in self._constants(node.value))
            case ast.Name():
                others = [name for name in names if name != node.id] if node.id in names else []
                yield from (self._put("name", node, other) for other in others)
                if node.id in BUILTINS and node.id not in names:
                    yield self._put("name", node, BUILTINS[node.id])
            case ast.Call():
                kept = [arg for arg in node.args if not isinstance(arg, ast.Starred)]
                yield from (self._put("operand", node, self.inside(arg)) for arg in kept)
            case ast.IfExp() | ast.If() | ast.While():
                yield from self._condition(node.test)
            case ast.comprehension():
                for test in node.ifs:
                    yield from self._condition(test)
            case ast.AugAssign():
                yield from self._augmented(node)
            case ast.Return() | ast.Yield() | ast.YieldFrom() | ast.Await():
                yield from self._hand_over(node)

    def _arithmetic(self, node: ast.BinOp) -> Iterator[_Edit]:
        if type(node.op) in ARITHMETIC:
            old = ARITHMETIC[type(node.op)]
            for new in _without(ARITHMETIC.values(), old):
                yield from self._between("arithmetic", node.left, node.right, old, new)
            if not isinstance(node.op, ast.Add | ast.Mult):
                yield self._put("operand", node, f"{self.inside(node.right)} {old} {self.inside(node.left)}")
        for operand in (node.left, node.right):
            yield self._put("operand", node, self.inside(operand))

    def _comparison(self, node: ast.Compare) -> Iterator[_Edit]:
        operands = [node.left, *node.comparators]
        for left, op, right in zip(operands, node.ops, operands[1:], strict=False):
            if type(op) in OPPOSITE:
                yield from self._between("comparison", left, right, *OPPOSITE[type(op)])
                continue
            old = ORDER[type(op)]
            for new in _without(ORDER.values(), old):
                yield from self._between("comparison", left, right, old, new)

    def _boolean(self, node: ast.BoolOp) -> Iterator[_Edit]:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield from self._between("and, or", left, right, old, new)
        for dropped in range(len(node.values)):
            kept = [self.inside(value) for index, value in enumerate(node.values) if index != dropped]
            yield self._put("operand", node, f" {old} ".join(kept))

    def _condition(self, test: ast.expr) -> Iterator[_Edit]:
        for new in (f"not {self.inside(test)}", "True", "False"):
            yield self._put("condition", test, new)

    def _augmented(self, node: ast.AugAssign) -> Iterator[_Edit]:
        if type(node.op) in ARITHMETIC:
            old = f"{ARITHMETIC[type(node.op)]}="
            for new in _without(["=", *(f"{sign}=" for sign in ARITHMETIC.values())], old):
                yield from self._between("arithmetic", node.target, node.value, old, new)

    def _hand_over(self, node: ast.Return | ast.Yield | ast.YieldFrom | ast.Await) -> Iterator[_Edit]:
        """A value that is handed over, or waited for, no more; and a `yield` that ends the function."""
        if node.value is None:
            yield self._put("hand over", node, "pass" if isinstance(node, ast.Return) else "None")
            return
        yield self._put("hand over", node, self.inside(node.value))
        if isinstance(node, ast.Return):
            yield self._put("hand over", node, "return None")
        if isinstance(node, ast.Yield):
            yield _Edit("hand over", self.start(node), self.start(node) + len("yield"), "return")

    def _constants(self, value: object) -> Iterator[str]:
        if isinstance(value, bool):
            yield repr(not value)
        elif value is None:
            yield "0"
        elif isinstance(value, int | float):
            others = {value + 1, value - 1, 0, 1, 2} - {value}
            yield from map(repr, sorted(others))
        elif isinstance(value, str):
            yield from map(repr, [other for other in ("", "x", *self.strings) if other != value])

    # -------------------------------------------------------------------------------------------------- statements

    def _statements(self, block: list[ast.stmt]) -> Iterator[_Edit]:
        for index, statement in enumerate(block):
            if isinstance(statement, MOVED | COMPOUND) and not isinstance(statement, ast.Return):
                name = _one_line(self.of(statement)) if isinstance(statement, MOVED) else self._head(statement)
                yield _Edit("removed", self.start(statement), self.end(statement), "pass", name, f"{name} (removed)")
            if isinstance(statement, ast.Break | ast.Continue):
                yield self._put("break, continue", statement, "continue" if self.of(statement) == "break" else "break")
            if index:
                yield from self._neighbours(block[index - 1], statement)
            if isinstance(statement, COMPOUND):
                yield from self._out_of(statement)

    def _neighbours(self, first: ast.stmt, second: ast.stmt) -> Iterator[_Edit]:
        """Two statements in the other order; and each of them moved into the other, if that is a loop or a condition."""
        if not self._own_lines(first) or not self._own_lines(second):
            return
        if isinstance(first, MOVED) and isinstance(second, MOVED):
            yield self._moved(second, self._line_start(first), first.col_offset, f'before "{self._head(first)}"')
        if isinstance(second, COMPOUND) and isinstance(first, MOVED):
            inner = second.body[0]
            if self._own_lines(inner):
                yield self._moved(first, self._line_start(inner), inner.col_offset, f'into "{self._head(second)}"')
        deeper = first
        while isinstance(second, MOVED) and isinstance(deeper, COMPOUND):
            last = [statement for block in _own_blocks(deeper) for statement in block][-1]
            if self._own_lines(last):
                yield self._moved(second, self._line_end(last), last.col_offset, f'into "{self._head(deeper)}"')
            deeper = last

    def _out_of(self, outer: ast.stmt) -> Iterator[_Edit]:
        """The first statement of a block moved out in front of it, the last one out behind it."""
        head = self._head(outer)
        for block in _own_blocks(outer):
            first, last = block[0], block[-1]
            if isinstance(first, MOVED) and block is _own_blocks(outer)[0] and self._own_lines(first):
                yield self._moved(first, self._line_start(outer), outer.col_offset, f'before "{head}"', len(block) == 1)
            if isinstance(last, MOVED) and self._own_lines(last):
                yield self._moved(last, self._line_end(outer), outer.col_offset, f'behind "{head}"', len(block) == 1)

    def _moved(self, statement: ast.stmt, to: int, column: int, where: str, alone: bool = False) -> _Edit:
        """Take a statement's lines away and put them elsewhere; ``alone`` in its block, it leaves a `pass`."""
        begin, end = self._line_start(statement), self._line_end(statement)
        lines = self.raw[begin:end].decode().rstrip("\n").split("\n")
        shift = column - statement.col_offset
        shifted = [" " * shift + line if shift > 0 else line[-shift:] for line in lines]
        here, there = (" " * statement.col_offset + "pass\n" if alone else ""), "\n".join(shifted) + "\n"
        line = _one_line(self.of(statement))
        change = f"{line} (moved {where})"
        if to <= begin:
            return _Edit("moved", to, end, there + self.raw[to:begin].decode() + here, line, change)
        between = self.raw[end:to].decode()
        gap = "" if not between or between.endswith("\n") else "\n"
        return _Edit("moved", begin, to, here + between + gap + there, line, change)

    def _own_lines(self, statement: ast.stmt) -> bool:
        """Whether nothing else stands on the statement's lines."""
        before = self.raw[self._line_start(statement) : self.start(statement)]
        after = self.raw[self.end(statement) : self._line_end(statement)]
        return not before.strip() and not re.sub(rb"#.*", b"", after).strip()

    def _line_start(self, statement: ast.stmt) -> int:
        return self.starts[statement.lineno - 1]

    def _line_end(self, statement: ast.stmt) -> int:
        assert statement.end_lineno is not None
        return self.starts[statement.end_lineno] if statement.end_lineno < len(self.starts) else len(self.raw)

    def _head(self, statement: ast.stmt) -> str:
        """The first line of a statement."""
        return self.of(statement).split("\n")[0].strip()


def _one_line(text: str) -> str:
    return " ".join(line.strip() for line in text.strip().split("\n"))


def _without(words: Iterable[str], one: str) -> list[str]:
    return [word for word in words if word != one]


def _strings(tree: ast.AST) -> list[str]:
    """The string constants of a text that are no docstrings, each once."""
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Constant) and isinstance(child.value, str) and not isinstance(node, ast.Expr):
                found[child.value] = None
    return list(found)


def _is_docstring(node: ast.AST, parent: ast.AST) -> bool:
    """Any text that stands alone as a statement."""
    alone = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return alone and isinstance(parent, ast.Module | ast.ClassDef | SCOPES)


def _known_in(node: ast.AST, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names that may stand inside ``node``: a function brings its own, a comprehension adds its own."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        given = [arg.arg for arg in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]]
        body = node.body if isinstance(node.body, list) else [node.body]
        return _once([*names, *given, *_stored(body)])
    if isinstance(node, COMPREHENSIONS):
        return _once([*names, *_stored([generator.target for generator in node.generators])])
    return names


def _stored(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The names that get a value in these nodes, without those of functions and comprehensions inside."""
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        if not isinstance(node, SCOPES | COMPREHENSIONS | ast.ClassDef):
            yield from _stored(ast.iter_child_nodes(node))


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    """Every list of statements, the docstring left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | COMPOUND | ast.ExceptHandler | ast.ClassDef):
            for block in _own_blocks(node):
                yield [statement for statement in block if not _is_docstring(statement, node)]


def _own_blocks(node: ast.AST) -> list[list[ast.stmt]]:
    blocks = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
    blocks += [handler.body for handler in getattr(node, "handlers", [])]
    return sorted((block for block in blocks if block), key=lambda block: block[0].lineno)
