"""Mutants of a source text, made by five operators.

- comparison: negated (`<` to `>=`, `is` to `is not`), and with its boundary moved (`<` to `<=`).
- constant: a number is increased by 1, a truth value negated.
- logic: `and` for `or`, and vice versa.
- statement: removed, in functions; an `if` without `else` as a whole.
- argument: one removed from a call.

Text for people is not changed: annotations, docstrings, strings, and log messages.
"""

import ast
import hashlib
from collections.abc import Iterator
from typing import Final

import attrs

_TURNED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_MOVED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
_DROPPED: Final = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Raise, ast.Delete, ast.Continue)
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_UNSEEN: Final = frozenset({"annotation", "returns", "type_comment"})


@attrs.frozen(kw_only=True)
class Mutant:
    """One change of one file.

    Attributes:
        path: of the file, from the root of the repository.
        operator: kind of change.
        scope: name of the enclosing function or class; "" for the module.
        line: first line of the replaced text, from 1.
        last_line: its last line.
        start: offset of its first byte.
        stop: offset after its last byte.
        before: replaced text.
        after: new text.
        number: from 0, among changes that differ only in their position.
    """

    path: str
    operator: str
    scope: str
    line: int
    last_line: int
    start: int
    stop: int
    before: str
    after: str
    number: int = 0

    @property
    def id(self) -> str:
        """Identifies the change by function and text; stable when code moves within the file."""
        parts = [self.path, self.scope, self.operator, self.before, self.after, str(self.number)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]

    def applied(self, source: str) -> str:
        """Returns the text of the whole file with this change."""
        data = source.encode()
        return (data[: self.start] + self.after.encode() + data[self.stop :]).decode()


def mutants(path: str, source: str) -> list[Mutant]:
    """Returns all mutants of a file, in the order of its text."""
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    for mutant in _Finder(path, source).found():
        twin = seen.get(mutant.id, 0)
        seen[mutant.id] = twin + 1
        found.append(attrs.evolve(mutant, number=twin))
    return found


def drawn(all_of_them: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """Draws `count` mutants at random by their ids, so that changes elsewhere add or remove only few."""

    def lot(mutant: Mutant) -> str:
        return hashlib.sha256(f"{seed} {mutant.id}".encode()).hexdigest()

    chosen = sorted(all_of_them, key=lot)[:count]
    return sorted(chosen, key=lambda mutant: (mutant.path, mutant.start))


class _Finder:
    """Finds the mutants of one file."""

    def __init__(self, path: str, source: str) -> None:
        self._path = path
        self._source = source
        self._data = source.encode()
        self._starts = [0]
        for line in self._data.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def found(self) -> Iterator[Mutant]:
        yield from self._walk(ast.parse(self._source), "", inside=False)

    def _walk(self, node: ast.AST, scope: str, *, inside: bool) -> Iterator[Mutant]:
        """Yields all mutants below a node; `inside` is whether the node is in a function."""
        for field, value in ast.iter_fields(node):
            if field in _UNSEEN:
                continue
            for child in value if isinstance(value, list) else [value]:
                if not isinstance(child, ast.AST) or _is_for_people(child):
                    continue
                name, within = scope, inside
                if isinstance(child, (*_FUNCTIONS, ast.ClassDef)):
                    name = f"{scope}.{child.name}".lstrip(".")
                    within = isinstance(child, _FUNCTIONS)
                yield from self._here(child, name, inside=inside)
                yield from self._walk(child, name, inside=within)

    def _here(self, node: ast.AST, scope: str, *, inside: bool) -> Iterator[Mutant]:
        match node:
            case ast.Compare():
                yield from self._compared(node, scope)
            case ast.Constant(value=bool()):
                yield self._made("constant", scope, node, str(not node.value))
            case ast.Constant(value=int() | float() as number):
                yield self._made("constant", scope, node, repr(number + 1))
            case ast.BoolOp():
                other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
                yield self._made("logic", scope, node, _text(ast.BoolOp(other, node.values)))
            case ast.Call():
                yield from self._called(node, scope)
            case ast.stmt() if inside and _can_go(node):
                yield self._made("statement", scope, node, "pass")

    def _compared(self, node: ast.Compare, scope: str) -> Iterator[Mutant]:
        for index, operator in enumerate(node.ops):
            for table in (_TURNED, _MOVED):
                if type(operator) in table:
                    operators = [*node.ops[:index], table[type(operator)](), *node.ops[index + 1 :]]
                    changed = ast.Compare(node.left, operators, node.comparators)
                    yield self._made("comparison", scope, node, _text(changed))

    def _called(self, node: ast.Call, scope: str) -> Iterator[Mutant]:
        for index, argument in enumerate(node.args):
            if _is_for_people(argument):
                continue
            rest = [*node.args[:index], *node.args[index + 1 :]]
            yield self._made("argument", scope, node, _text(ast.Call(node.func, rest, node.keywords)))
        for index in range(len(node.keywords)):
            others = [*node.keywords[:index], *node.keywords[index + 1 :]]
            yield self._made("argument", scope, node, _text(ast.Call(node.func, node.args, others)))

    def _made(self, operator: str, scope: str, node: ast.expr | ast.stmt, after: str) -> Mutant:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        stop = self._starts[node.end_lineno - 1] + node.end_col_offset
        return Mutant(
            path=self._path,
            operator=operator,
            scope=scope,
            line=node.lineno,
            last_line=node.end_lineno,
            start=start,
            stop=stop,
            before=self._data[start:stop].decode(),
            after=after,
        )


def _text(node: ast.expr) -> str:
    """Returns the source of an expression, in parentheses where it might need them."""
    text = ast.unparse(node)
    return text if isinstance(node, ast.Call) else f"({text})"


def _can_go(node: ast.stmt) -> bool:
    if isinstance(node, ast.If):
        return not node.orelse
    if isinstance(node, ast.Return | ast.AnnAssign):
        return node.value is not None
    return isinstance(node, _DROPPED)


def _is_for_people(node: ast.AST) -> bool:
    """Whether a node is a string, an f-string, a log message, or code for type checkers."""
    match node:
        case ast.JoinedStr() | ast.Expr(value=ast.Constant()) | ast.Constant(value=str() | bytes()):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"))):
            return True
        case ast.Expr(value=ast.Call() as call):
            return _is_for_people(call)
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case _:
            return False
