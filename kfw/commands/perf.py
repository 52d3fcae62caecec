"""kfw perf: why is it slow? The stages of openings, and what the daemon does."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from kfw import client
from kfw.commands import _output as output
from kfw.commands._options import GivenTime, Json, duration
from kfw.errors import KfwError, words_of
from kfw.perf_protocol import MemoryUse, PerfReply, PerfRequest
from kfw.view import DIM, clean, paint

#: Seconds of a profile, where nobody says how long.
_USUAL = 30.0
#: Stage -> what it waits for.
_STAGES: Mapping[str, str] = {
    "accept": "this machine",
    "wait": "a pod to accept it",
    "dial": "the path to the pod",
    "firstByte": "the app",
}
_HEADER = ("FORWARD", "OPENED", "LOST", "ACCEPT", "WAIT", "DIAL", "FIRST BYTE", "MOSTLY FOR")


def perf(
    length: Annotated[
        float,
        typer.Option(
            "--duration",
            parser=duration,
            metavar="TIME",
            show_default="30s with a profile",
            help="How long to measure.",
        ),
    ] = 0.0,
    cpuprofile: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write where the daemon spends its time, for pstats, and FILE.svg."
        ),
    ] = None,
    memprofile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what it allocates meanwhile.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Show how long connections take to open, and where that time goes.

    For each forward: the time until a connection is accepted, has waited for a pod, is dialed, and gets the app's
    first byte. Without a duration it covers the last 500 connections, which the daemon remembers.

    \b
    kfw perf
    kfw perf --duration 10s
    kfw perf --cpuprofile daemon.pstats --memprofile daemon.mem
    """
    profiles = cpuprofile is not None or memprofile is not None
    seconds = float(length) or (_USUAL if profiles and not isinstance(length, GivenTime) else 0.0)
    if seconds and output.is_terminal(sys.stderr):
        output.say(f"kfw: measuring for {seconds:g} s")
    reply = client.perf(
        PerfRequest(seconds=seconds, cpu=cpuprofile is not None, memory=memprofile is not None)
    )
    _write(reply, cpuprofile, memprofile)
    if as_json:
        output.show_json(
            {"seconds": reply.seconds, "openings": msgspec.to_builtins(reply.openings)} | _summary(reply)
        )
    else:
        rows = msgspec.to_builtins(reply.openings)
        output.show("\n".join(opening_lines(rows, colour=output.colours(sys.stdout))))
        if reply.cpu:
            share = reply.cpu.processor_seconds / reply.seconds
            output.say(
                f"the daemon used {share:.0%} of a processor; wrote {cpuprofile} and {_svg(cpuprofile)}"
            )
        if reply.memory:
            output.say(f"wrote {memprofile}")
    return 0


def _summary(reply: PerfReply) -> dict[str, object]:
    """Of the profiles, whose whole is in the files."""
    said: dict[str, object] = {}
    if cpu := reply.cpu:
        said["cpu"] = {"samples": cpu.samples, "idle": cpu.idle, "processorSeconds": cpu.processor_seconds}
    if memory := reply.memory:
        said["memory"] = {key: value for key, value in msgspec.to_builtins(memory).items() if key != "lines"}
    return said


def _write(reply: PerfReply, cpuprofile: Path | None, memprofile: Path | None) -> None:
    from kfw.view.flame_graph import as_pstats, as_svg

    files: dict[Path, bytes] = {}
    if cpuprofile and reply.cpu:
        files[cpuprofile] = as_pstats(reply.cpu)
        files[_svg(cpuprofile)] = as_svg(reply.cpu).encode()
    if memprofile and reply.memory:
        files[memprofile] = _memory_table(reply.memory).encode()
    for path, data in files.items():
        try:
            path.write_bytes(data)
        except OSError as error:
            raise KfwError(f"cannot write {path}: {words_of(error)}") from error


def _svg(path: Path | None) -> Path:
    return Path(f"{path}.svg")


def _memory_table(use: MemoryUse) -> str:
    head = [
        f"resident      {(use.rss_bytes or 0) / 1e6:10.1f} MB",
        f"allocated     {use.traced_bytes / 1e6:10.3f} MB during the measurement, and still in use",
        f"at most       {use.peak_bytes / 1e6:10.3f} MB of that",
        f"collections   {' '.join(map(str, use.collections))} by generation, since the start",
        f"tasks         {use.tasks:10}",
        f"threads       {use.threads:10}",
        "",
        "     bytes  blocks  where",
    ]
    lines = [f"{one.bytes:10}  {one.blocks:6}  {one.file}:{one.line}" for one in use.lines]
    return "\n".join([*head, *lines]) + "\n"


def opening_lines(rows: Sequence[Mapping[str, Any]], *, colour: bool) -> list[str]:
    """A table: how long each stage of an opening takes, and which one is to blame. Medians, and the 99th percentiles."""
    if not rows:
        return ["no connections were opened"]
    cells = [_HEADER, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return [paint(lines[0], DIM, colour), *lines[1:]]


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    name = clean(row.get("displayName") or row["forward"])
    times = [_spread(row[stage]) for stage in _STAGES]
    return name, str(row["connections"]), str(row["lost"]), *times, slowest(row)


def slowest(row: Mapping[str, Any]) -> str:
    """What most connections waited for longest."""
    medians = {stage: row[stage]["median"] for stage in _STAGES if row[stage]}
    return _STAGES[max(medians, key=lambda stage: medians[stage])] if medians else "-"


def _spread(spread: Mapping[str, Any] | None) -> str:
    return "-" if spread is None else f"{shown(spread['median'])} / {shown(spread['p99'])}"


def shown(seconds: float) -> str:
    """0.07 ms, 3.4 ms, 12 ms, 3.4 s"""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    ms = seconds * 1000
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms" if ms >= 0.1 else f"{ms:.2f} ms"
