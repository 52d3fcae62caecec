"""Request and reply of `POST /v1/perf`, of the control API in kfw/protocol.py. Pure."""

import msgspec


class PerfRequest(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """`seconds` 0: of the connections that the daemon remembers, at once. `cpu` and `memory` need a time to measure in."""

    seconds: float = 0.0
    cpu: bool = False
    memory: bool = False


class Spread(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """Of so many times, in seconds."""

    count: int
    median: float
    p99: float
    longest: float


class OpeningTimes(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """Of the connections of one forward, by the stages of their opening; None: none came to the end of it."""

    forward: str
    project: str = ""
    display_name: str = ""
    connections: int
    lost: int = 0
    accept: Spread | None = None  # until it could be read from
    wait: Spread | None = None  # for an endpoint, with all dials that failed
    dial: Spread | None = None  # the one that did not fail: the path to the pod
    first_byte: Spread | None = None  # from then on: the app


class StackCount(msgspec.Struct, rename="camel", frozen=True):
    """`frames`: indices of CpuSamples.frames, the outermost first."""

    frames: list[int]
    samples: int


class CpuSamples(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """Where the daemon's loop was, looked at so often. `idle`: of the `samples` those in which it waited for something."""

    interval: float  # seconds
    samples: int
    idle: int
    processor_seconds: float  # of the whole process meanwhile
    frames: list[tuple[str, int, str]]  # file, line of the function, its name
    stacks: list[StackCount]


class AllocatedLine(msgspec.Struct, rename="camel", frozen=True):
    file: str
    line: int
    bytes: int
    blocks: int


class MemoryUse(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """`traced_bytes`: what was allocated while it was measured and is still there, at most `peak_bytes`; `lines`: where most
    of it was."""

    rss_bytes: int | None
    traced_bytes: int
    peak_bytes: int
    collections: list[int]  # of the garbage collector, by generation, since the daemon's start
    tasks: int
    threads: int
    lines: list[AllocatedLine]


class PerfReply(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    seconds: float
    openings: list[OpeningTimes]
    cpu: CpuSamples | None = None
    memory: MemoryUse | None = None
