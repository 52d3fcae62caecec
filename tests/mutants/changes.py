"""The small changes of a module's code, one at a time: each must make a test fail. Pure.

Left alone are what only people read (docstrings, sentences, f-strings, log lines), types, and imports.
"""

import ast
import builtins
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
#: Fields of a node that are types, or as good as.
_TYPES = {"annotation", "returns", "type_params", "decorator_list"}
_CONDITION = ast.If | ast.While | ast.IfExp | ast.comprehension


@dataclass(frozen=True)
class Change:
    """`apply` changes the tree that it was found in."""

    line: int
    what: str
    apply: Callable[[], None]


def changes_of(tree: ast.Module) -> list[Change]:
    """In the order of the source; the same for the same source."""
    return sorted(_visit(tree), key=lambda change: change.line)


def changed(source: str, number: int) -> ast.Module:
    """The tree with the change of that number in it."""
    tree = ast.parse(source)
    changes_of(tree)[number].apply()
    return ast.fix_missing_locations(tree)


def _visit(node: ast.AST) -> Iterator[Change]:
    yield from _of(node)
    for name, value in ast.iter_fields(node):
        if name in _TYPES:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_for_people(child):
                yield from _visit(child)


def _is_for_people(node: ast.AST) -> bool:
    match node:
        case ast.JoinedStr() | ast.Import() | ast.ImportFrom() | ast.Raise():
            return True
        case ast.Expr(value=ast.Constant()):
            return True  # a docstring
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "_log")))):
            return True
        case ast.Call(func=ast.Name(id="TypeVar")):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False


def _of(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare():
            yield from (_compare(node, at) for at, op in enumerate(node.ops) if type(op) in _COMPARE)
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield _set(node, "op", other)
        case ast.BinOp(op=ast.BitOr(), left=left, right=right) if _is_type(left) or _is_type(right):
            pass
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _ARITHMETIC:
            yield _set(node, "op", _ARITHMETIC[type(op)]())
        case ast.Constant():
            yield from _constant(node)
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield _set(node, "value", ast.Constant(None))
        case ast.match_case(guard=ast.expr()):
            yield _set(node, "guard", None)
        case ast.Match(cases=[_, _, *_]):
            yield from (_drop_case(node, case) for case in node.cases)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield _set(node, "test", ast.UnaryOp(ast.Not(), test))
        case ast.comprehension(ifs=[_, *_]):
            yield _set(node, "ifs", [], line=node.target.lineno)
        case _:
            pass
    yield from _statements(node)


def _statements(node: ast.AST) -> Iterator[Change]:
    """A call, an assignment to an attribute or item, `break`, `continue`, `raise` and `del`: left out."""
    for name in ("body", "orelse", "finalbody"):
        body = getattr(node, name, None)
        for at, statement in enumerate(body if isinstance(body, list) else []):
            if _has_effect(statement):
                yield Change(statement.lineno, f"without: {_text(statement)}", _replace(body, at, ast.Pass()))


def _has_effect(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "_log")))):
            return False
        case (
            ast.Expr(value=ast.Call() | ast.Await())
            | ast.Break()
            | ast.Continue()
            | ast.Delete()
            | ast.Raise()
        ):
            return True
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.AugAssign():
            return True
    return False


def _constant(node: ast.Constant) -> Iterator[Change]:
    match node.value:
        case bool(value):
            yield _set(node, "value", not value)
        case int(value) | float(value):
            yield _set(node, "value", value + 1)
        case str(value) if value and " " not in value:
            yield _set(node, "value", value + "x")
        case bytes(value) if value:
            yield _set(node, "value", value + b"x")
        case _:
            pass


def _compare(node: ast.Compare, at: int) -> Change:
    other = _COMPARE[type(node.ops[at])]()
    return Change(node.lineno, f"{_text(node)}: {type(other).__name__}", _replace(node.ops, at, other))


def _drop_case(node: ast.Match, case: ast.match_case) -> Change:
    return Change(
        case.pattern.lineno, f"without: case {_text(case.pattern)}", lambda: node.cases.remove(case)
    )


def _set(node: ast.AST, field: str, value: object, *, line: int | None = None) -> Change:
    at = line or getattr(node, "lineno", None) or node.pattern.lineno  # type: ignore[attr-defined]
    shown = (
        _text(value)
        if isinstance(value, ast.expr)
        else type(value).__name__
        if isinstance(value, ast.AST)
        else value
    )
    return Change(at, f"{_text(node)}: {shown!s}", lambda: setattr(node, field, value))


def _replace(items: list, at: int, other: ast.AST) -> Callable[[], None]:  # type: ignore[type-arg]
    return lambda: items.__setitem__(at, other)


def _is_type(node: ast.expr) -> bool:
    """As a side of `|`: a name with a capital, or of a builtin."""
    match node:
        case ast.Name(id=name):
            return (name[0].isupper() and not name.isupper()) or hasattr(builtins, name)
        case ast.Subscript(value=inner):
            return _is_type(inner)
        case ast.BinOp(op=ast.BitOr(), left=left):
            return _is_type(left)
    return _is_none(node)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _text(node: ast.AST) -> str:
    """Its first line."""
    return ast.unparse(node).partition("\n")[0][:90]
