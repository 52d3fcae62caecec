"""Starting one forward for somebody who waits in front of a screen: it is active when the answer comes, or nothing is left.

A cluster that is closed meanwhile takes its starts with it: each close is counted, and a start that began before one is
refused after it.
"""

import asyncio
import os
import re
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from kfw.daemon.events import ENDED
from kfw.daemon.project_reader import READ_AGAIN
from kfw.daemon.request_validation import check
from kfw.daemon.service import DaemonService
from kfw.errors import ALL_ERRORS, KfwError, PortInUse, TimedOut, UsageError
from kfw.model import SERVING, Forward, Status, Target
from kfw.protocol import ADDED, ForwardStatus, NamesRequest, Source, StartRequest, UpRequest
from kfw.reasons import Reason, exit_code_of
from kfw.system.files import outside

#: Seconds that somebody may wait.
LONGEST_WAIT = 300.0
_LONGEST_NAME = 63


class Starts:
    def __init__(self, core: DaemonService) -> None:
        self._core = core
        self._closes = Counter[str]()

    def close(self, context: str) -> None:
        """What is being started in this cluster is not to be up afterwards. The caller stops what is."""
        self._closes[context] += 1

    async def start(self, request: StartRequest) -> ForwardStatus:
        """Raises KfwError, with the reason of the forward where it was one that failed."""
        if not 0 <= request.wait <= LONGEST_WAIT:
            raise UsageError(f"wait is {request.wait:g}, it takes seconds from 0 to {LONGEST_WAIT:g}")
        asked = _up_request(_forward(request, self._names()), request)
        check(asked)
        epochs = self._closes.copy()  # of which context it is, only its kubeconfig may know
        forward = await _pinned(asked.forwards[0], kubeconfig_of(request.kubeconfig, request.environ))
        self._refuse_taken_port(forward)
        async with self._core.events.following(None) as events:
            self._refuse_closed(forward, epochs)
            await self._core.up(_up_request(forward, request))
            try:
                self._refuse_closed(forward, epochs)
                if not request.wait:
                    return self._report(forward)
                async with asyncio.timeout(request.wait):
                    while (now := self._report(forward)).status not in SERVING:
                        _raise_failed(now)
                        await anext(events)
                return now
            except TimeoutError:
                error: KfwError = _late(self._report(forward), request.wait)
            except KfwError as failed:
                error = failed
            await self._forget(forward)
            raise error

    def _names(self) -> set[str]:
        return {row.name for row in self._core.supervisor.statuses()}

    def _report(self, forward: Forward) -> ForwardStatus:
        """Raises KfwError when somebody has removed it."""
        for row in self._core.supervisor.statuses():
            if row.id == forward.id:
                return row
        raise KfwError(f"{forward.name} was removed before it was active", reason=Reason.USER_STOPPED)

    def _refuse_closed(self, forward: Forward, before: Counter[str]) -> None:
        if self._closes[forward.context] != before[forward.context]:
            what = f"{forward.context} was closed before {forward.name} was active"
            raise KfwError(what, "start it again", reason=Reason.USER_STOPPED)

    def _refuse_taken_port(self, forward: Forward) -> None:
        if row := port_owner(self._core.supervisor.statuses(), forward.local_port):
            what = f"cannot listen on {forward.local_port}: the forward '{row.shown}' has it"
            raise PortInUse(what, f"choose another port, or remove {row.shown} first")

    async def _forget(self, forward: Forward) -> None:
        if forward.id in self._core.supervisor.rows():
            await self._core.remove(NamesRequest([forward.name], project=forward.source))


def kubeconfig_of(named: str | None, environ: Mapping[str, str] | None) -> str | None:
    """As kubectl would have it in the shell that asks; without its environment in this process's."""
    return named or (os.environ if environ is None else environ).get("KUBECONFIG")


def port_owner(rows: Collection[ForwardStatus], port: int) -> ForwardStatus | None:
    """The forward that has this local port, or is to have it."""
    up = (row for row in rows if row.status not in ENDED)
    return next((row for row in up if port and port in (row.local_port, row.configured_port)), None)


def _forward(request: StartRequest, names: Collection[str]) -> Forward:
    """Not pinned yet. Raises UsageError."""
    try:
        target = Target.parse(request.target)
    except ValueError as error:
        what, _, fix = str(error).partition(", ")
        raise UsageError(what, fix) from error
    if request.name in names:
        raise UsageError(f"a forward named '{request.name}' exists already", "choose another name")
    return Forward(
        name=request.name or unique_name(target.name, names),
        target=target,
        target_port=request.target_port,
        local_port=request.local_port,
        namespace=request.namespace,
        namespace_is_default=not request.namespace,
        context=request.context,
        context_is_default=not request.context,
        source=ADDED,
    )


def unique_name(target: str, names: Collection[str]) -> str:
    """As `kfw add` names it: what is no letter of a name becomes a dash; with a number where that is taken."""
    plain = re.sub(r"[^a-z0-9-]", "-", target)[:_LONGEST_NAME].strip("-") or "forward"
    if plain not in names:
        return plain
    number = next(number for number in range(2, len(names) + 3) if _numbered(plain, number) not in names)
    return _numbered(plain, number)


def _numbered(name: str, number: int) -> str:
    end = f"-{number}"
    return name[: _LONGEST_NAME - len(end)].rstrip("-") + end


async def _pinned(forward: Forward, kubeconfig: str | None) -> Forward:
    from kfw.kubeconfig.pin import pin  # brings in yaml

    try:
        return (await outside(lambda: pin([forward], kubeconfig), READ_AGAIN))[0]
    except TimeoutError as error:
        what = f"cannot read the kubeconfig: it takes more than {READ_AGAIN:g} s"
        raise UsageError(what, "check the file system that it is on") from error


def _up_request(forward: Forward, request: StartRequest) -> UpRequest:
    source = Source(key=ADDED, cwd=str(Path("/")), kubeconfig=request.kubeconfig)
    return UpRequest(forwards=[forward], source=source, names=[forward.name], environ=request.environ)


def _raise_failed(row: ForwardStatus) -> None:
    """What will not become active by itself."""
    if row.status is Status.ERROR or row.status in ENDED:
        what = row.message or f"it is {row.status.value}"
        raise _error(f"cannot start {row.name}: {what}", row.reason)


def _late(row: ForwardStatus, seconds: float) -> KfwError:
    why = f": {row.message}" if row.message else f", it is {row.status.value}"
    what = f"{row.name} was not active within {seconds:g} s{why}"
    return _error(what, row.reason) if row.reason else TimedOut(what)


def _error(what: str, reason: Reason | None) -> KfwError:
    reason = reason or Reason.INTERNAL
    kinds = {kind.exit_code: kind for kind in reversed(ALL_ERRORS)}
    return kinds.get(exit_code_of(reason), KfwError)(what, reason=reason)
