"""Everything that a user can do, once: keys, the line of keys, `?` and the command palette are made of this. Pure."""

from __future__ import annotations

from typing import NamedTuple


class UserAction(NamedTuple):
    """`call`: of the app, as Textual writes it. `short`: in the line of keys, "" is not there."""

    call: str
    keys: str
    title: str
    help: str
    short: str = ""


FORWARD = (
    UserAction("details", "enter", "Details", "explain, connections, events, log", "details"),
    UserAction("retry", "r", "Retry now", "retry it if it waits or has failed", "retry"),
    UserAction("restart", "s", "Restart", "reconnect; the local port stays open"),
    UserAction("down", "d", "Stop", "stop it and free its port", "stop"),
    UserAction("switch", "e", "Enable or disable", "start it, or stop it, for `kfw up` too", "on/off"),
    UserAction("remove", "x", "Remove", "stop it and remove its row"),
    UserAction("open", "o", "Open URL", "in the browser", "open"),
    UserAction("copy('url')", "c", "Copy URL", "or host:port", "copy"),
    UserAction("copy('command')", "C", "Copy as command", "curl, psql, redis-cli or similar"),
)  # fmt: skip
CLUSTER = (
    UserAction("add", "a", "Add a forward", "a target, its port and the local port", "add"),
    UserAction("close_cluster", "X", "Close cluster", "stop all forwards of the selected one's cluster"),
    UserAction("retry_all", "ctrl+r", "Retry all", "retry all that wait or have failed"),
)
LIST = (
    UserAction("search", "slash", "Search", "words, or status: cluster: profile: project: name:", "search"),
    UserAction("only_bad", "f", "Only unhealthy ones", "again: all of them", "filter"),
    UserAction("next_group", "g", "Group", "by project, profile, cluster, or not at all", "group"),
    UserAction("reverse", "R", "Reverse the order", ""),
)
APP = (
    UserAction("command_palette", "colon,ctrl+p", "All commands", "type part of a name"),
    UserAction("next_theme", "T", "Theme", "dark, light, high contrast"),
    UserAction("help", "question_mark", "Help", "all keys", "help"),
    UserAction("quit_app(0)", "q", "Quit", "forwards keep running", "quit"),
)
SECTIONS = (("Forward", FORWARD), ("Cluster", CLUSTER), ("List", LIST), ("App", APP))
ALL = tuple(action for _, actions in SECTIONS for action in actions)

_SIGNS = {"slash": "/", "question_mark": "?", "colon": ":", "escape": "Esc", "enter": "Enter"}


def key_label(keys: str) -> str:
    """As it is on the keyboard: `:`, `Ctrl+R`"""
    key = keys.partition(",")[0]
    if key in _SIGNS:
        return _SIGNS[key]
    return f"Ctrl+{key[-1].upper()}" if key.startswith("ctrl+") else key


def keys_line(width: int) -> str:
    """As many as fit, help and the way out always."""
    shown = [f"{key_label(action.keys)} {action.short}" for action in ALL if action.short]
    first, last = shown[:-2], shown[-2:]
    while first and len("  ".join([*first, *last])) > width:
        first.pop()
    return "  ".join([*first, *last])


def help_lines() -> list[str]:
    lines = []
    for title, actions in SECTIONS:
        lines.append(title)
        lines += [f"  {key_label(one.keys):<8}{one.title:<24}{one.help}".rstrip() for one in actions]
        lines.append("")
    lines += [
        "Moving",
        "  arrows, j k, PgUp PgDn, Home End; the wheel and a click; F1 to F9 or a click on a heading sort",
        "  1 2 3 4 explain, connections, events, log of the selected forward; Esc closes",
    ]
    return lines
