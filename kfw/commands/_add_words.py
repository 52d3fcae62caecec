"""What stands after `kfw add`: `[NAME] TARGET [[LOCAL:]REMOTE]`, or several targets, each with its port. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kfw.choices import KINDS, is_selector, kind_named, usual_local_port
from kfw.errors import UsageError
from kfw.model import Kind, Target
from kfw.names import usable_name

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
#: Characters of a name.
_LONGEST = 63


@dataclass(frozen=True)
class Addition:
    """`local` 0: any free port, None: the one that goes with the target's, see `usual_local_port`. `remote` None:
    the only one that it has."""

    name: str
    target: Target
    local: int | None
    remote: int | str | None


def additions(words: Sequence[str], labels: str = "") -> list[Addition]:
    """Raises UsageError. The first word without a slash is a name if a target follows, as is a pod's name after it.
    `labels`: of -l, in the place of a target."""
    if labels:
        words = _with_labels(words, labels)
    if not words:
        raise UsageError(
            "kfw add needs a target", "name one, for example `kfw add svc/web`; `kfw targets` shows them"
        )
    first, *rest = words
    if "/" in first:
        return _unlike([_addition("", target, ports) for target, ports in _pairs(words)])
    if not rest or is_port(rest[0]):
        raise UsageError(
            f"'{first}' does not say what to forward to",
            f"name a target, for example `kfw add svc/{first}`; `kfw add --help` says how",
        )
    if len(rest) > 2:
        raise UsageError(
            f"'{rest[2]}' is one argument too many for one forward",
            "write NAME TARGET LOCAL:REMOTE, or several targets without a name: kfw add svc/api svc/db",
        )
    return [_addition(checked("name", first), rest[0], rest[1] if len(rest) == 2 else None)]


def _with_labels(words: Sequence[str], labels: str) -> list[str]:
    if other := next((word for word in words if "/" in word), ""):
        raise UsageError(f"-l already names the pods, and so does {other}", "leave one of them out")
    name = [word for word in words[:1] if not is_port(word)]
    return [*name, f"pods/{labels}", *words[len(name) :]]


def is_port(word: str) -> bool:
    """Looks like one, right or wrong, and not like the name of a pod."""
    return word.isdigit() or ":" in word


def _pairs(words: Sequence[str]) -> list[tuple[str, str | None]]:
    """Each target with the port after it."""
    pairs: list[tuple[str, str | None]] = []
    for word in words:
        if "/" in word:
            pairs.append((word, None))
        elif pairs[-1][1] is None:
            pairs[-1] = (pairs[-1][0], word)
        else:
            raise UsageError(
                f"{pairs[-1][0]} has a port already, and '{word}' is not a target",
                f"a forward has one port; for another: kfw add NAME {pairs[-1][0]} {word}",
            )
    return pairs


def _unlike(added: list[Addition]) -> list[Addition]:
    names = [one.name for one in added]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UsageError(
            f"two targets would be named '{twice}'", "add one of them by itself: kfw add NAME TARGET"
        )
    return added


def _addition(name: str, text: str, ports: str | None) -> Addition:
    target = parse_target(text)
    local, remote = _split_ports(ports)
    return Addition(name or _name_of(target), target, local, remote)


def _name_of(target: Target) -> str:
    """A character that a name cannot have becomes a dash: pod "db.v2" is called "db-v2". Of labels it is the first value."""
    text = target.name
    if target.kind is Kind.PODS:
        key, _, value = text.partition(",")[0].partition("=")
        text = usable_name(value) or usable_name(key.rpartition("/")[2])
    return checked("name", re.sub(r"[^a-z0-9-]", "-", text)[:_LONGEST].strip("-"))


def parse_target(text: str) -> Target:
    """`svc/web`, `deployment.apps/web`, `deployments.v1.apps/web`. Raises UsageError."""
    kind, slash, name = text.partition("/")
    if slash and not is_selector(name):
        kind, slash, name = text.rpartition("/")
    try:
        return Target.parse(f"{_without_group(kind)}{slash}{name}")
    except ValueError as error:
        what, _, fix = str(error).partition(", ")
        raise UsageError(what, fix) from error


def _without_group(text: str) -> str:
    """A wrong group is kept, and refused with the rest."""
    kind, _, group = text.partition(".")
    known = kind_named(kind.lower())
    of_kind = KINDS[known].group if known else ""
    return kind if of_kind and group in (of_kind, f"v1.{of_kind}") else text


def _split_ports(text: str | None) -> tuple[int | None, int | str | None]:
    """`8080:http`, `http`, `:80`, or nothing where the target has only one port."""
    local, colon, remote = (text or "").rpartition(":")
    if text is None:
        return None, None
    port = _remote(remote)
    if colon:
        return (_number(local) if local else 0), port
    return (usual_local_port(port) if isinstance(port, int) else None), port


def _remote(text: str) -> int | str:
    return checked("port", text) if text and not text.isdigit() else _number(text)


def _number(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    raise UsageError(
        f"'{text}' is not a port",
        "a port is a number from 1 to 65535; write LOCAL:REMOTE, for example 8080:80",
    )


def checked(what: str, text: str) -> str:
    if not _NAME.fullmatch(text):
        raise UsageError(f"'{text}' is not a {what}", "use lower-case letters, digits and '-', at most 63")
    return text
