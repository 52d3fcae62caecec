"""A Tiltfile: `port_forwards` of k8s_resource, as far as they are written out. https://docs.tilt.dev/api.html#api.k8s_resource.

Starlark is written as Python is. It is parsed, and never run. Pure.
"""

import ast
from collections.abc import Iterator

from kfw.choices import kind_named
from kfw.config.imports.found import ImportedForwards, port, shown
from kfw.config.tree import Place, Unparsable
from kfw.model import NAMED_KINDS, Kind

#: ast.parse takes 100 times the memory of its text.
_LARGEST = 200_000


def read(source: str, at: Place) -> ImportedForwards:
    """Raises Unparsable."""
    if len(source) > _LARGEST:
        raise Unparsable(
            at, f"this Tiltfile is larger than {_LARGEST} characters", "cut it down to its k8s_resource calls"
        )
    try:
        module = ast.parse(source)
    except SyntaxError as error:
        place = at._replace(line=error.lineno or 1, column=error.offset or 1)
        raise Unparsable(
            place, f"this is not a Tiltfile: {error.msg}", "name another file, or another --from"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unparsable(
            at, "this Tiltfile cannot be read: it is nested too deeply", "nest it less deeply"
        ) from error
    found = ImportedForwards()
    for call in _calls(module):
        _resource(call, at, found)
    return found


def _calls(module: ast.Module) -> Iterator[ast.Call]:
    """In the order of the file, without recursion."""
    calls = [
        node for node in ast.walk(module) if isinstance(node, ast.Call) and _name(node) == "k8s_resource"
    ]
    return iter(sorted(calls, key=lambda call: (call.lineno, call.col_offset)))


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _resource(call: ast.Call, at: Place, found: ImportedForwards) -> None:
    here = at._replace(line=call.lineno, column=call.col_offset + 1)
    given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    forwards = given.get("port_forwards")
    if forwards is None:
        return
    workload = _text(call.args[0] if call.args else given.get("workload"))
    if not workload:
        found.leave(here, "port_forwards of a k8s_resource whose name is computed")
        return
    each = forwards.elts if isinstance(forwards, ast.List | ast.Tuple) else [forwards]
    name = _text(given.get("new_name")) or workload.partition(":")[0]
    for one in each:
        _forward(one, workload, name, here, found, several=len(each) > 1)


def _forward(
    one: ast.expr, workload: str, name: str, here: Place, found: ImportedForwards, *, several: bool
) -> None:
    spec = _spec(one)
    if spec is None:
        found.leave(here, f"a port of {shown(workload)} is computed")
        return
    local, remote, host, own = spec
    object_name, kind, namespace = [*workload.split(":"), "", ""][:3]
    known = kind_named(kind.lower()) if kind else Kind.DEPLOYMENT.value
    if known not in NAMED_KINDS:
        found.leave(here, f"{shown(workload)}: kfw does not forward to a {shown(kind)}")
        return
    entry: dict[str, object] = {
        "target": f"{known}/{object_name}",
        "targetPort": remote,
        "localPort": local,
        "namespace": namespace,
        "address": "" if host in ("localhost", "127.0.0.1") else host,
    }
    note = () if kind else ("Tilt does not say what it is: taken to be a deployment",)
    found.add(here, own or (f"{name}-{local}" if several else name), entry, *note)


#: Local port, remote port, host, name.
_Spec = tuple[int | str | None, int | str | None, str, str]


def _spec(one: ast.expr) -> _Spec | None:
    """`9000`, `'9000:8000'`, `'0.0.0.0:9000:8000'`, or port_forward(9000, 8000, name='x', host='...')."""
    if isinstance(one, ast.Constant) and isinstance(one.value, int):
        return one.value, None, "", ""
    if said := _text(one):
        *host, local, remote = said.split(":") if ":" in said else (said, "")
        return port(local), port(remote), ":".join(host), ""
    if not (isinstance(one, ast.Call) and _name(one) == "port_forward"):
        return None
    given = {keyword.arg: keyword.value for keyword in one.keywords if keyword.arg}
    given |= dict(zip(("local_port", "container_port", "name", "link_path", "host"), one.args, strict=False))
    local_port = _number(given.get("local_port"))
    if local_port is None:
        return None
    return (
        local_port,
        _number(given.get("container_port")),
        _text(given.get("host")),
        _text(given.get("name")),
    )


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _number(node: ast.expr | None) -> int | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, int) else None
