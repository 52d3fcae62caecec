"""Fixes in the words of whoever asked: who typed `kfw add` is told what to type, not the keys of a file. Pure."""

import re
from collections.abc import Callable

from kfw.model import Forward, Problem
from kfw.protocol import ADDED

#: What a file would say, and what to type. `{add}` is `kfw add NAME TARGET`.
_TYPED: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"choose another localPort, or set onPortInUse: next"),
        "choose another local port, or add --next-port",
    ),
    (re.compile(r"choose another localPort"), "choose another local port"),
    (re.compile(r"choose a localPort of 1024 or higher"), "choose a local port of 1024 or higher"),
    (
        re.compile(r"set targetPort to one of (?P<list>(?P<first>\d+).*)"),
        r"try `{add} \g<first>`; its ports: \g<list>",
    ),
    (re.compile(r"set targetPort to a number"), "type the number of the port, `{add} 8080`"),
    (re.compile(r"write readiness: running to"), "add --readiness running to"),
    (re.compile(r"set method: (\w+)"), r"`{add} --method \1`"),
)


def sentence(forward: Forward, problem: Problem | None) -> str:
    """What is wrong, and what to do about it."""
    if problem is None:
        return ""
    fix = fix_for(forward, problem.fix)
    return f"{problem.message}; {fix}" if fix else str(problem.message)


def fix_for(forward: Forward, fix: str) -> str:
    if forward.source != ADDED:
        return fix
    add = f"kfw add {forward.name} {forward.target}"
    for pattern, typed in _TYPED:
        fix = pattern.sub(_filled(typed, add), fix)
    return fix


def _filled(typed: str, add: str) -> Callable[[re.Match[str]], str]:
    """The target is no template: a label may have a backslash in it."""
    return lambda found: found.expand(typed).replace("{add}", add)
