"""kfw doctor: where on the way from this machine to the app something is wrong."""

import os
import platform
import sys
import time
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kfw import __version__, paths
from kfw.commands import _output as output
from kfw.commands._crash import command_line
from kfw.commands._live import Live, can_draw
from kfw.commands._options import Configs, Context, Json, Kubeconfig, Namespace
from kfw.errors import KfwError, UsageError, words_of
from kfw.secret import redact
from kfw.short_paths import with_short_paths
from kfw.system.log_lines import last_lines
from kfw.view import findings

if TYPE_CHECKING:
    from kfw.doctor.examination import DoctorQuestion
    from kfw.doctor.hops import Hop, Section

#: Of the daemon's log, in a report.
_LINES = 40


def doctor(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Forwards, profiles or patterns."),
    ] = None,
    config: Configs = None,
    context: Context = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    report: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a report for an issue; - is stdout.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Find what is wrong between this machine and the app.

    It checks each hop in order: files, tools, kubeconfig, name lookup, TCP, TLS, login, version, rights, target, pod,
    the port in the pod, the local port, the app. Hops behind a fault are skipped. Without NAME it checks all enabled
    forwards, or without a kfw.yaml the current context. It does not need the daemon.

    \b
    kfw doctor
    kfw doctor api
    kfw doctor api --report FILE     (for an issue, without secrets)
    """
    if report == "-" and as_json:
        raise UsageError("--json and --report - both go to stdout", "name a file: --report FILE")
    from kfw.doctor.examination import DoctorQuestion
    from kfw.doctor.hops import as_json as in_json
    from kfw.system.loop import run

    flags = {"context": context, "namespace": namespace, "kubeconfig": kubeconfig}
    given = {name: value for name, value in flags.items() if value is not None}
    shown = not as_json and report != "-"
    sections = run(_examine(DoctorQuestion(tuple(names or ()), tuple(config or ()), given), shown=shown))
    examined = in_json(sections)
    if report:
        _write_report(report, examined)
    if as_json:
        output.show_json(examined)
    elif shown:
        output.show(findings.conclusion(examined))
    code = examined["exitCode"]
    assert isinstance(code, int)
    return code


async def _examine(question: "DoctorQuestion", *, shown: bool) -> "list[Section]":
    """Shown as they come."""
    from kfw.doctor.examination import examine
    from kfw.doctor.hops import section_as_json

    found: list[Section] = []
    with closing(_Progress()) as progress:
        async with aclosing(examine(question, progress.on_hop, progress.say)) as sections:
            async for section in sections:
                found.append(section)
                progress.close()
                if shown:
                    _show(section_as_json(section))
    return found


def _show(section: dict[str, object]) -> None:
    lines = findings.section_lines(section, width=output.width(), colour=output.colours(sys.stdout))
    output.show("\n".join(lines))


class _Progress:
    """A line on stderr that says what is asked now, on a terminal only."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._asked = set[str]()

    def on_hop(self, name: str, hop: "Hop") -> None:
        from kfw.doctor.hops import HOPS

        if not can_draw(sys.stderr):
            return
        if self._live is None:
            self._live = Live(sys.stderr, screen=False)
            self._live.__enter__()
        self._live.draw([f"{name}: {HOPS[hop].doing} ..." if name else f"{HOPS[hop].doing} ..."])

    def say(self, text: str) -> None:
        """What a login plugin asks of a person, once."""
        if text not in self._asked:
            self._asked.add(text)
            self.close()
            output.say(f"kfw: {text}")

    def close(self) -> None:
        """Until the next hop is asked."""
        live, self._live = self._live, None
        if live:
            live.__exit__(None, None, None)


def _write_report(target: str, examined: dict[str, Any]) -> None:
    text = _report(examined)
    if target == "-":
        output.show(text)
        return
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    except FileExistsError as error:
        raise UsageError(f"cannot write {target}: it exists already", "name another file") from error
    except OSError as error:
        raise KfwError(
            f"cannot write {target}: {words_of(error)}", "name a file that you can write"
        ) from error
    output.say(f"wrote {target}: it has names of clusters, namespaces and forwards, but no secrets")


def _report(examined: dict[str, Any]) -> str:
    """Markdown. Secrets, and what a path says of the home directory, are left out of all of it."""
    about = [
        f"kfw {__version__}, Python {platform.python_version()} on {platform.platform()}",
        f"`kfw {command_line(sys.argv[1:])}`, {time.strftime('%Y-%m-%d %H:%M:%S%z')}",
    ]
    lines = findings.report_lines(examined, about, _log())
    text = with_short_paths("\n".join(map(redact, lines)))
    try:
        return text.replace(str(paths.user_home()), "~")
    except KfwError:
        return text


def _log() -> list[str]:
    """The daemon's last lines; none where it never ran."""
    try:
        return last_lines(paths.log_file(), _LINES, lambda line: True)
    except (KfwError, OSError):
        return []
