"""The tools: what each takes, the command line that it is, and what its answer says. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]
Schema = Mapping[str, Any]

#: Characters of one argument: a name, a target, a duration.
_LONGEST = 500
_NAMES: Schema = {
    "type": "array",
    "items": {"type": "string"},
    "description": "Forwards, profiles, or patterns such as shop-*; leave it out for all.",
}
_CONTEXT: Schema = {
    "type": "string",
    "description": "A context of the kubeconfig; the current one if left out.",
}
_NAMESPACE: Schema = {"type": "string", "description": "The context's namespace if left out."}
_TIMEOUT: Schema = {"type": "string", "description": "How long to wait, such as 30s or 2m; 60s if left out."}


@dataclass(frozen=True)
class Tool:
    """`words`: arguments that stand alone, in their order; all others are options of the same name. `key`: of the object
    that an array becomes, as a tool's answer is an object."""

    name: str
    description: str
    arguments: Mapping[str, Schema]
    words: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    changes: bool = False
    destroys: bool = False
    key: str = ""
    #: Exit codes that are an answer, not a failure.
    answers: tuple[int, ...] = (0,)

    def described(self) -> dict[str, Any]:
        """As `tools/list` has it."""
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": {
                "type": "object",
                "properties": dict(self.arguments),
                "required": list(self.required),
                "additionalProperties": False,
            },
            "annotations": {
                "readOnlyHint": not self.changes,
                "destructiveHint": self.destroys,
                "idempotentHint": self.name != "add",
            },
        }


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "targets",
            "What can be forwarded from a cluster: services, workloads and pods, with ports, readiness and rights.",
            {
                "word": {"type": "string", "description": "A part of TYPE/NAME, such as web or service/."},
                "namespace": _NAMESPACE,
                "all_namespaces": {"type": "boolean", "description": "In all namespaces."},
                "context": _CONTEXT,
            },
            words=("word",),
            key="targets",
        ),
        Tool(
            "status",
            "All forwards: local address, target, status, and the reason and fix of each that is not active.",
            {"names": _NAMES, "context": _CONTEXT},
            words=("names",),
            answers=(0, 1, 3),
        ),
        Tool(
            "explain",
            "How one forward connects, why not by other methods, and where each value of its config comes from.",
            {"name": {"type": "string", "description": "A forward."}},
            words=("name",),
            required=("name",),
        ),
        Tool(
            "logs",
            "Lines of the daemon's log, the newest last.",
            {
                "name": {"type": "string", "description": "Only lines about this forward."},
                "lines": {"type": "integer", "description": "How many of the last ones; 20 if left out."},
                "since": {"type": "string", "description": "All lines of this period, such as 10m."},
            },
            words=("name",),
            key="lines",
        ),
        Tool(
            "up",
            "Start the forwards of the project's kfw.yaml, or some of them, and wait until each is active or has failed.",
            {"names": _NAMES, "context": _CONTEXT, "namespace": _NAMESPACE, "timeout": _TIMEOUT},
            words=("names",),
            changes=True,
        ),
        Tool(
            "add",
            "Forward one more target of a cluster to localhost, without a config file, and wait until it is active.",
            {
                "target": {
                    "type": "string",
                    "description": "Such as service/api, deployment/web, pods/app=api.",
                },
                "port": {
                    "type": "string",
                    "description": "[LOCAL:]REMOTE, such as 8080:http, 5432, or :80 for any free local port.",
                },
                "name": {"type": "string", "description": "What to call it; the target's name if left out."},
                "namespace": _NAMESPACE,
                "context": _CONTEXT,
                "timeout": _TIMEOUT,
            },
            words=("name", "target", "port"),
            required=("target",),
            changes=True,
        ),
        Tool(
            "down",
            "Stop forwards and free their local ports; without names those of the project.",
            {"names": _NAMES, "context": _CONTEXT},
            words=("names",),
            changes=True,
            destroys=True,
        ),
    )
}


class BadArguments(ValueError):
    """A sentence about what was asked for."""


def command_line(tool: Tool, given: Any) -> list[str]:
    """What to run behind `kfw`. No value is taken for an option, whatever it begins with. Raises BadArguments."""
    if not isinstance(given, Mapping):
        raise BadArguments("arguments are an object")
    if unknown := [name for name in given if name not in tool.arguments]:
        raise BadArguments(
            f"{tool.name} has no argument {unknown[0]!r}, known are {', '.join(tool.arguments)}"
        )
    if missing := [name for name in tool.required if not given.get(name)]:
        raise BadArguments(f"{tool.name} needs {missing[0]}")
    options, words = [], list[str]()
    for name in tool.arguments:
        value = given.get(name)
        if value is None or value == "":
            continue
        texts = _checked(name, value, tool.arguments[name])
        if name not in tool.words:
            option = name.replace("_", "-")
            options += [f"--{option}"] if value is True else [f"--{option}={text}" for text in texts]
    for name in tool.words:
        if given.get(name):
            words += _checked(name, given[name], tool.arguments[name])
    return [tool.name, "--json", *options, *(["--", *words] if words else [])]


_KINDS: Mapping[str, type] = {"string": str, "boolean": bool, "integer": int, "array": list}


def _checked(name: str, value: Any, schema: Schema) -> list[str]:
    kind = _KINDS[schema["type"]]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadArguments(f"{name} is a {schema['type']}")
    if value is False:
        return []
    texts = [_text(name, one) for one in (value if isinstance(value, list) else [value])]
    if any(len(text) > _LONGEST or not text.isprintable() for text in texts):
        raise BadArguments(f"{name} is too long, or has characters that cannot be printed")
    return texts


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str | int):
        raise BadArguments(f"{name} has only strings")
    return str(value)


def answer(tool: Tool, code: int, out: str, err: str) -> dict[str, Any]:
    """The result of `tools/call`: the command's JSON, and for people and models its error with the fix."""
    try:
        value = json.loads(out) if out.strip() else {}
    except ValueError:
        value = {"output": out}
    said: Json = value if isinstance(value, dict) else {tool.key or "items": value}
    if code in tool.answers and "error" not in said:
        return {"content": [_as_text(json.dumps(said, ensure_ascii=False))], "structuredContent": said}
    return {**failure(_cause(said) or err.strip() or f"it ended with {code}"), "structuredContent": said}


def failure(text: str) -> dict[str, Any]:
    return {"content": [_as_text(text)], "isError": True}


def _as_text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _cause(said: Json) -> str:
    """What went wrong, and below it what to do."""
    error = said.get("error")
    if isinstance(error, Mapping):
        problems: Sequence[str] = error.get("problems") or [error["message"]]
        return "\n".join(filter(None, [*problems, error.get("fix")]))
    rows = [row for row in said.get("forwards", ()) if isinstance(row, Mapping) and row.get("reason")]
    return "\n".join(_told(row) for row in rows)


def _told(row: Json) -> str:
    return f"{row['displayName']}: {row['status']}: {row['reason']}: {row['message']}"


def offered(allow_changes: bool) -> list[Tool]:
    return [tool for tool in TOOLS.values() if allow_changes or not tool.changes]
