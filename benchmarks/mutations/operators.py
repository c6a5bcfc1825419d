"""What a mutant is, and all that can be made of a source text by five operators.

- comparison: turned round (`<` to `>=`, `is` to `is not`), and its boundary moved (`<` to `<=`).
- constant: a number is made larger by 1, a truth value turned.
- logic: `and` for `or`, and the other way round.
- statement: left out, in functions; an `if` without `else` as a whole.
- argument: one left out of a call.

Left alone is what only people read: annotations, docstrings, texts, and what goes into the log.
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
        operator: the kind of change.
        scope: name of the function or class that it is in; "" for the module.
        line: first line of the text that is replaced, from 1.
        last_line: the last one.
        start: byte at which it begins.
        stop: byte behind it.
        before: that text.
        after: what stands there instead.
        number: from 0, among changes that are alike in all the above but their place.
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
        """The same as long as the function keeps its name and the text its wording, wherever they stand."""
        told = [self.path, self.scope, self.operator, self.before, self.after, str(self.number)]
        return hashlib.sha256("\0".join(told).encode()).hexdigest()[:10]

    def applied(self, source: str) -> str:
        """The text of the whole file with this change."""
        data = source.encode()
        return (data[: self.start] + self.after.encode() + data[self.stop :]).decode()


def mutants(path: str, source: str) -> list[Mutant]:
    """All mutants of a file, in the order of its text."""
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    for mutant in _Finder(path, source).found():
        twin = seen.get(mutant.id, 0)
        seen[mutant.id] = twin + 1
        found.append(attrs.evolve(mutant, number=twin))
    return found


def drawn(all_of_them: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """So many of them, by chance, but each by its id alone: what changes elsewhere moves few in or out."""

    def lot(mutant: Mutant) -> str:
        return hashlib.sha256(f"{seed} {mutant.id}".encode()).hexdigest()

    chosen = sorted(all_of_them, key=lot)[:count]
    return sorted(chosen, key=lambda mutant: (mutant.path, mutant.start))


class _Finder:
    """Walks through one file."""

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
        """All mutants of what is below a node; `inside` tells whether it is a function's."""
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
    """In parentheses wherever it might need them."""
    text = ast.unparse(node)
    return text if isinstance(node, ast.Call) else f"({text})"


def _can_go(node: ast.stmt) -> bool:
    if isinstance(node, ast.If):
        return not node.orelse
    if isinstance(node, ast.Return | ast.AnnAssign):
        return node.value is not None
    return isinstance(node, _DROPPED)


def _is_for_people(node: ast.AST) -> bool:
    """A text, what is put together of texts, or a record of the log."""
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
