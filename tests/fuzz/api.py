"""API servers that answer anything, then turn good: a few at a time, each with a forward that is followed."""

import asyncio
import json
import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from kfw.kube import api_errors
from kfw.kube.timeouts import Timeouts
from kfw.model import Forward, Resolution, Target
from kfw.target.registry import ClusterRegistry
from tests.fuzz import memory, outside_files
from tests.fuzz.api_server import HostileApi
from tests.fuzz.area import Area, Case, Finding
from tests.kube import certificates, wire
from tests.kube.test_api_server import serves
from tests.kube.test_watch import QUICK

#: All in seconds. What the servers' faults may cost one forward until it says something, and until it is right again.
_SAYS, _RIGHT = 6.0, 10.0
_TIMEOUTS: Timeouts = replace(
    QUICK,
    files=0.05,
    namespace=0.1,
    settle=0.0,
    nodes=0.2,
    dial=1.0,
    answer=1.0,
    probe=0.5,
    fresh=0.5,
    watch_idle=2.0,
)
_AT_ONCE = 5
#: Bytes that so many servers together may make kfw hold for a while.
_PEAK = 160 << 20


@dataclass
class Followed:
    """One forward of one server."""

    number: int
    api: HostileApi
    files: dict[Path, bytes] = field(default_factory=dict)
    spoiled: set[Path] = field(default_factory=set)
    seen: list[Resolution] = field(default_factory=list)
    task: "asyncio.Task[None] | None" = None

    def turn_good(self) -> None:
        self.api.turn_good()
        for file, content in self.files.items():
            if file in self.spoiled:
                outside_files.put(file, content)

    @property
    def is_right(self) -> bool:
        last = self.seen[-1] if self.seen else Resolution()
        return last.problem is None and [pod.name for pod in last.pods] == ["web-1"]


class Api(Area):
    """What a server asks to be left alone for is short here, as all time limits are."""

    name = "api"
    limit = 40.0

    async def __aenter__(self) -> "Api":
        self._longest = getattr(api_errors, "LONGEST_RETRY_AFTER", 0)
        api_errors.LONGEST_RETRY_AFTER = 1.0
        return self

    async def __aexit__(self, *_: object) -> None:
        api_errors.LONGEST_RETRY_AFTER = self._longest

    async def case(self, case: Case) -> None:
        before = memory.reset_peak()
        async with AsyncExitStack() as stack:
            registry = await stack.enter_async_context(ClusterRegistry(timeouts=_TIMEOUTS))
            followed = [await _followed(case, stack, registry, number) for number in range(_AT_ONCE)]
            await asyncio.sleep(case.random.choice((0.1, 0.3, 1.0)))
            await _until_each(
                followed, lambda one: bool(one.seen), _SAYS, "says nothing, neither a target nor a problem"
            )
            peak = memory.peak() - before
            for one in followed:
                one.turn_good()
            await _until_each(
                followed, lambda one: one.is_right, _RIGHT, "does not come back after its server is good"
            )
        for one in followed:
            for resolution in one.seen:
                case.must_not_show("a problem of a target", repr(resolution))
                _is_short(resolution)
        if peak > _PEAK:
            raise Finding(f"{_AT_ONCE} servers make kfw hold {peak >> 20} MB")


def _is_short(resolution: Resolution) -> None:
    if resolution.problem and len(resolution.problem.message) > 3000:
        raise Finding(
            f"a problem has {len(resolution.problem.message)} characters: {resolution.problem.message[:200]}"
        )


async def _until_each(followed: list[Followed], is_so: Any, seconds: float, what: str) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while left := [one for one in followed if not is_so(one)]:
        for one in followed:
            if one.task and one.task.done():
                raise Finding(f"the follow of a forward has ended: {one.task.exception()!r}\n{_about(one)}")
        if asyncio.get_running_loop().time() > end:
            raise Finding(f"a forward {what} within {seconds:g} s: {left[0].seen[-1:]}\n{_about(left[0])}")
        await asyncio.sleep(0.01)


def _about(one: Followed) -> str:
    faults = ", ".join(fault.__name__.strip("_") for fault in one.api._faults)
    tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith(("api", "watch"))]
    stands = [f"{task.get_name()}: {_where(task)}" for task in tasks]
    said = f"server {one.number} of the case: {faults}; good answers: {one.api._good}; {one.api.answered} answers"
    return "\n".join([said, *stands])


def _where(task: "asyncio.Task[Any]") -> str:
    """The functions that it stands in, the outermost first."""
    steps, inner = [], task.get_coro()
    while inner is not None:
        frame = getattr(inner, "cr_frame", None) or getattr(inner, "ag_frame", None)
        steps += [f"{frame.f_code.co_name}:{frame.f_lineno}"] if frame else []
        inner = getattr(inner, "cr_await", None) or getattr(inner, "ag_await", None)
    return " > ".join(steps)


async def _followed(case: Case, stack: AsyncExitStack, registry: ClusterRegistry, number: int) -> Followed:
    random = Random(case.random.getrandbits(64))
    tls = serves("127.0.0.1") if random.random() < 0.3 else None
    api = HostileApi(random, tls)
    await api.put(wire.SERVICES, wire.service())
    await api.put(wire.SLICES, wire.slice_("web-1"))
    await api.put(wire.PODS, wire.pod("web-1"))
    await api.start()
    stack.push_async_callback(api.stop)
    one = Followed(number, api)
    forward = _forward(case, random, one, tls)

    async def follow() -> None:
        async for resolution in registry.follow(forward):
            one.seen.append(resolution)

    one.task = asyncio.create_task(follow(), name=f"follow {number}")
    stack.push_async_callback(_cancelled, one.task)
    return one


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task], timeout=5)
    if not task.done():
        raise Finding("a follow does not end when it is told to")


def _forward(case: Case, random: Random, one: Followed, tls: ssl.SSLContext | None) -> Forward:
    config = case.folder / f"config{one.number}"
    one.files = _files(case, config, one.api, tls)
    for file, content in one.files.items():
        if random.random() < 0.15:
            one.spoiled.add(file)
            _spoil(case, random, file, content)
        else:
            outside_files.put(file, content)
    target = random.choice(("service/web", "service/web", "pod/web-1"))
    return Forward(
        name=f"f{one.number}",
        target=Target.parse(target),
        target_port=80 if target.startswith("service") else 8080,
        local_port=0,
        namespace="shop",
        context="dev",
        kubeconfig=(str(config),),
    )


def _files(case: Case, config: Path, api: HostileApi, tls: ssl.SSLContext | None) -> dict[Path, bytes]:
    """The kubeconfig and what it names, as they should be. The mark is in the token; over plain HTTP none is sent."""
    token, ca = config.with_suffix(".token"), config.with_suffix(".ca")
    cluster: dict[str, Any] = {"server": api.url}
    if tls:
        cluster["certificate-authority"] = ca.name
    content = {
        "clusters": [{"name": "dev", "cluster": cluster}],
        "users": [{"name": "ada", "user": {"tokenFile": token.name} if tls else {}}],
        "contexts": [{"name": "dev", "context": {"cluster": "dev", "user": "ada"}}],
    }
    files = {config: json.dumps(content).encode()}
    return {**files, token: f"tok-{case.mark}".encode(), ca: certificates.ca()} if tls else files


def _spoil(case: Case, random: Random, file: Path, content: bytes) -> None:
    """No file, or one with something else in it: secrets stay secret in it."""
    match random.randrange(3):
        case 0:
            outside_files.spoil(random, file)
        case 1 if file.suffix == ".token":
            file.write_bytes(content + random.choice(_TOKEN_ENDS))
        case _:
            half = content[: len(content) // 2]
            file.write_bytes(random.choice((b"", b"\n", b"{", b"\x00", random.randbytes(100), half)))


_TOKEN_ENDS = (b"\n\nX: y", b"\x00", "é".encode(), b"\xff", b"\r", b" x" * 5_000_000)
