"""`kfw up --foreground`: the forwards live in this process, without a daemon, and nothing is kept of them."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec

from kfw import paths
from kfw.aio import Complaints, keep_going
from kfw.daemon.run import own_children, running_supervisor
from kfw.daemon.selected import SelectedServices
from kfw.environ import Environs
from kfw.protocol import ForwardStatus, UpRequest
from kfw.supervisor import wanted
from kfw.supervisor.supervisor import TOLD, Supervisor, Tell
from kfw.supervisor.wanted import Project
from kfw.system import loop
from kfw.system.files import make_private_dir
from kfw.system.log_format import RedactingFormatter
from kfw.system.process import use_pidfd_watcher

log = logging.getLogger("kfw.daemon")


def foreground(request: UpRequest, tell: Tell, is_hopeless: Callable[[], bool]) -> None:
    """The forwards live until INT or TERM, or until `is_hopeless` says so, which is asked after each change that was told.
    `tell` hears of each status, so the log does not say it again."""
    make_private_dir(paths.state_dir())
    if logging.lastResort:  # shows warnings on stderr, as no log is set up here
        logging.lastResort.setFormatter(RedactingFormatter())
        logging.lastResort.addFilter(lambda record: not hasattr(record, TOLD))
    use_pidfd_watcher()
    loop.run(_foreground(request, tell, is_hopeless))


async def _foreground(request: UpRequest, tell: Tell, is_hopeless: Callable[[], bool]) -> None:
    ended = asyncio.Event()

    def hear(kind: str, row: ForwardStatus) -> None:
        tell(kind, row)
        if is_hopeless():
            ended.set()

    running = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        running.add_signal_handler(number, _first_signal, ended, running)
    async with (
        own_children() as children,
        running_supervisor(children, hear, Environs(os.environ, known=True)) as supervisor,
    ):
        key = request.source.key
        await supervisor.up(replace(forward, source=key) for forward in request.forwards)
        async with _followed_profiles(supervisor, request):
            await ended.wait()


def _first_signal(ended: asyncio.Event, running: asyncio.AbstractEventLoop) -> None:
    """A second signal within the time of cleaning up ends the process at once, with 1."""
    ended.set()
    for number in (signal.SIGINT, signal.SIGTERM):
        running.add_signal_handler(number, os._exit, 1)


@asynccontextmanager
async def _followed_profiles(supervisor: Supervisor, request: UpRequest) -> AsyncIterator[None]:
    profiles = FollowedProfiles(supervisor, request)
    complaints = Complaints(log, "the check of the profiles")

    def on_failure(error: Exception) -> None:
        complaints.tell(error)
        profiles.look_again()

    following = asyncio.create_task(keep_going(profiles.turn, on_failure))
    try:
        yield
    finally:
        profiles.close()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


class FollowedProfiles:
    """Those that are enabled: services that come, change and go are forwards that do."""

    def __init__(self, supervisor: Supervisor, request: UpRequest) -> None:
        self._supervisor = supervisor
        self._key = request.source.key
        self._project = _project(request)
        self._changed = asyncio.Event()
        self._services = SelectedServices(supervisor.clusters, lambda _: self.look_again())
        self._said: set[str] = set()
        for selection in self._project.selections.values():
            supervisor.look_for_services(selection.template, None)
        self._services.follow({self._key: self._project})

    def close(self) -> None:
        self._services.close()

    def look_again(self) -> None:
        self._changed.set()

    async def turn(self) -> None:
        """Wait for a change, and apply it."""
        await self._changed.wait()
        self._changed.clear()
        found = self._services.of(self._key, self._project, self._supervisor.rows())
        if found.gone:
            await self._supervisor.remove(found.gone)
        await self._supervisor.up(found.forwards, asked_for=False)
        self._project = msgspec.structs.replace(self._project, ports=found.ports)
        self._tell_problems()

    def _tell_problems(self) -> None:
        """What cannot be listed, each once until it is over."""
        problems = set(self._services.problems())
        for problem in sorted(problems - self._said):
            log.warning("%s", problem)
        self._said = problems


def _project(request: UpRequest) -> Project:
    key = request.source.key
    selections = [
        replace(one, template=replace(one.template, source=key))
        for one in request.selections
        if one.template.enabled
    ]
    chosen = wanted.chosen_of(request)
    members = {forward.name: forward.profile for forward in request.forwards}
    return wanted.with_selections(wanted.up(Project(), request.source, chosen, members), selections)
