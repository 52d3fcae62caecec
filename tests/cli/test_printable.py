"""Escaping what a terminal must not see, wherever it comes from."""

import json
import random
import re

import pytest

from kfw import cli, view
from kfw.commands import _output as output
from kfw.errors import KfwError
from kfw.printable import printable
from kfw.view import details
from tests.client.fake_daemon import FakeDaemon, connection, event, row

#: A word that clears the screen, sets the title, and is read backwards.
HOSTILE = "a\x1b[2J\x1b]0;owned\x07\x9b31m\u202eb\u2028c\rd\x00\x7f\ud800"
HARMFUL = set(HOSTILE) - set("abcd") - set("[2J]0;owned31m")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain, Ünï and ●", "plain, Ünï and ●"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J", r"\u009b2J"),
        ("over\rwritten", r"over\x0dwritten"),
        ("\x08\x08\x7f", r"\x08\x08\u007f"),
        ("user\u202etxt.exe", r"user\u202etxt.exe"),
        ("\u2028\u2029\ufeff", r"\u2028\u2029\ufeff"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_a_terminal_obeys_is_escaped_and_all_else_stays(text: str, escaped: str) -> None:
    assert printable(text) == escaped


def test_only_the_colours_of_kfw_stay_colours() -> None:
    mixed = "\x1b[31mkfw:\x1b[0m \x1b[2J\x1b[8m\x1b[38;5;1m\x1b[93m"
    assert printable(mixed, colours=True) == "\x1b[31mkfw:\x1b[0m \\x1b[2J\\x1b[8m\\x1b[38;5;1m\x1b[93m"
    assert "\x1b" not in printable(mixed)


@pytest.mark.parametrize("seed", range(200))
def test_colours_or_not_no_harmful_character_gets_through(seed: int) -> None:
    pieces = (
        "\x1b",
        "[",
        "m",
        "0",
        "2",
        "31",
        "38",
        "99",
        "\x1b[",
        "\x1b[0m",
        "\n",
        "\t",
        "\r",
        "ü",
        "\u202e",
        "api",
    )
    text = "".join(random.Random(seed).choices(pieces, k=12))
    parts = re.split("(\x1b\\[(?:0|2|3[0-7]|9[0-7])m)", text)  # every second one is a colour
    expected = "".join(part if number % 2 else printable(part) for number, part in enumerate(parts))
    assert printable(text, colours=True) == expected
    assert not HARMFUL & set(expected.replace("\x1b", ""))


def hostile_row() -> dict[str, object]:
    fields = ("name", "context", "namespace", "target", "targetPort", "message", "method", "url")
    return row("api", "active") | {field: f"{field} {HOSTILE}" for field in fields}


LINES = {
    "status": lambda: view.status_lines(
        {"forwards": [hostile_row(), row("b")], "daemon": {"pid": 1, "warnings": [HOSTILE]}},
        width=500,
        colour=True,
        now=0,
    ),
    "a change": lambda: [view.change_line(hostile_row(), 0)],
    "progress": lambda: view.live_lines([hostile_row()], names=9, width=500, colour=True, now=0),
    "top": lambda: details.top_lines(
        [
            connection(HOSTILE, state, process=HOSTILE, endpoint=HOSTILE, why=HOSTILE)
            for state in ("open", "lost")
        ],
        ended=9,
        width=500,
        colour=True,
    ),
    "events": lambda: [
        details.event_line(event(1, hostile_row(), kind) | {"message": HOSTILE}, colour=True)
        for kind in ("status", "daemon")
    ],
    "explain": lambda: details.explain_lines(
        {
            "forward": hostile_row(),
            "candidates": [{"method": "tunnel", "chosen": True, "why": HOSTILE}],
            "limits": [HOSTILE],
        },
        width=500,
        colour=True,
    ),
    "verify": lambda: details.verify_lines(
        [{"name": HOSTILE, "local": "x", "ok": True, "protocol": "http", "answer": HOSTILE}],
        width=500,
        colour=True,
    ),
}


@pytest.mark.parametrize("outlet", LINES)
def test_no_view_lets_it_through(outlet: str) -> None:
    text = "\n".join(LINES[outlet]())
    assert not set(printable(text, colours=True).replace("\x1b", "")) & HARMFUL
    assert printable(text, colours=True) == text
    assert r"\u202e" in text


@pytest.mark.parametrize(
    "words",
    [["status"], ["status", "--json"], ["events"], ["events", "--json"], ["explain", "api"], ["nope\x1b[2J"]],
)
def test_no_command_lets_it_through(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    said = HOSTILE.replace("\ud800", "")  # half a pair cannot come over the socket
    hostile = row("api", "error", message=said, context=said, target=said)
    daemon.forwards = [hostile]
    daemon.events = [event(1, hostile)]
    daemon.replies["GET /v1/forwards/api/explain"] = _refusal(said)
    cli.run(words)
    shown = "".join(capsys.readouterr())
    assert shown and not set(shown) & HARMFUL
    if "--json" in words:
        value = json.loads(shown)
        found = value["forwards"][0]["message"] if isinstance(value, dict) else value[0]["message"]
        assert found == said


def _refusal(what: str) -> bytes:
    from tests.client.fake_daemon import refusal

    return refusal(what, fix=what)


def test_an_error_is_shown_without_it(capsys: pytest.CaptureFixture[str]) -> None:
    cli.show_error(KfwError(f"cannot {HOSTILE}", f"fix {HOSTILE}"))
    shown = capsys.readouterr().err
    assert not set(shown) & HARMFUL
    assert shown.count(r"\u202e") == 2


def test_lines_of_the_log_are_shown_without_it(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    log = daemon.path.parent.parent / "state" / "kfw.log"
    log.parent.mkdir()
    log.write_bytes(f"one {HOSTILE}\ntwo\r\x1b[1Athree\n".encode("utf-8", "surrogatepass"))
    assert cli.run(["logs"]) == 0
    shown = capsys.readouterr().out
    assert not set(shown) & HARMFUL
    assert shown.count("\n") == 2 and "two\\x0d\\x1b[1Athree" in shown


def test_json_for_programs_is_the_same_value(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_json({"message": HOSTILE})
    text = capsys.readouterr().out
    assert not set(text) & HARMFUL
    assert json.loads(text) == {"message": HOSTILE}
