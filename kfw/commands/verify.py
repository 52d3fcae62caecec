"""kfw verify: talk to each port, and say what answered."""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from kfw import client, view
from kfw.commands import _output as output
from kfw.commands._names import meant_of
from kfw.commands._options import Json, Names
from kfw.errors import UsageError
from kfw.system.local_ports import address_to_connect
from kfw.system.port_answer import PortAnswer, talk
from kfw.view import details

_AT_ONCE = 32
_SERVING = ("active", "degraded")
_NOT_UP = ("stopped", "disabled")


def verify(names: Names = None, as_json: Json = False) -> int:
    """Talk to each port and show what answers.

    HTTP, TLS, a greeting, or at least an open connection. Exit code 1 if one does not answer.

    \b
    kfw verify
    kfw verify api db --json
    """
    rows = _chosen(names)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(_answer, rows))
    results = [_result(row, answer) for row, answer in zip(rows, answers, strict=True)]
    if as_json:
        output.show_json(results)
    else:
        width = (
            output.width() if output.is_terminal(sys.stdout) else sys.maxsize
        )  # else a line per port for scripts
        output.show("\n".join(details.verify_lines(results, width=width, colour=output.colours(sys.stdout))))
    return 0 if all(answer.ok for answer in answers) else 1


def _chosen(names: list[str] | None) -> list[dict[str, Any]]:
    rows = client.status().forwards
    chosen = meant_of(names, rows) if names else [row for row in rows if row.status not in _NOT_UP]
    if not chosen:
        raise UsageError("nothing is forwarded", "`kfw up` starts the configured forwards")
    return [msgspec.to_builtins(row) for row in chosen]


def _answer(row: dict[str, Any]) -> PortAnswer:
    """A forward that is not serving is not asked: kfw would keep the connection waiting."""
    if row["status"] not in _SERVING:
        note = row["message"] or row["reason"] or ""
        return PortAnswer(False, "", f"{row['status']}{': ' if note else ''}{view.clean(note)}")
    address = row["localAddresses"][0] if row["localAddresses"] else "127.0.0.1"
    return talk(address_to_connect(address), row["localPort"], web=str(row["url"]).startswith("http"))


def _result(row: dict[str, Any], answer: PortAnswer) -> dict[str, Any]:
    return {
        "name": row["name"],
        "project": row["project"],
        "displayName": view.shown(row),
        "ok": answer.ok,
        "local": view.local(row),
        "protocol": answer.protocol,
        "answer": answer.words,
    }
