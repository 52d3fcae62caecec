"""kfw perf: why is it slow? The stages of openings, and what the daemon does."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from kfw import client
from kfw.commands import _output as output
from kfw.commands._options import GivenTime, Json, duration
from kfw.errors import KfwError, words_of
from kfw.perf_protocol import MemoryUse, PerfReply, PerfRequest

#: Seconds of a profile, where nobody says how long.
_USUAL = 30.0


def perf(
    length: Annotated[
        float,
        typer.Option(
            "--duration",
            parser=duration,
            metavar="TIME",
            show_default="30s with a profile",
            help="Measure so long.",
        ),
    ] = 0.0,
    cpuprofile: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the daemon spends its time: for pstats, and FILE.svg."),
    ] = None,
    memprofile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What it allocates meanwhile.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Show how long connections take to open, and where that time goes.

    By forward: until a connection is accepted, has waited for a pod, is dialed, and hears the app's first byte. Without a
    time it is about the connections that the daemon remembers, the last 500.

    \b
    kfw perf
    kfw perf --duration 10s
    kfw perf --cpuprofile kfw.pstats --memprofile kfw.mem
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
        from kfw.view.openings import opening_lines

        rows = msgspec.to_builtins(reply.openings)
        output.show("\n".join(opening_lines(rows, colour=output.colours(sys.stdout))))
        if reply.cpu:
            share = reply.cpu.processor_seconds / reply.seconds
            output.say(
                f"the daemon took {share:.0%} of a processor; wrote {cpuprofile} and {_svg(cpuprofile)}"
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
        f"allocated     {use.traced_bytes / 1e6:10.3f} MB while it was measured, and still there",
        f"at most       {use.peak_bytes / 1e6:10.3f} MB of that",
        f"collections   {' '.join(map(str, use.collections))} by generation, since the start",
        f"tasks         {use.tasks:10}",
        f"threads       {use.threads:10}",
        "",
        "     bytes  blocks  where",
    ]
    lines = [f"{one.bytes:10}  {one.blocks:6}  {one.file}:{one.line}" for one in use.lines]
    return "\n".join([*head, *lines]) + "\n"
