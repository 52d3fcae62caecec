"""What the daemon is asked to do beyond one forward: keep what is up on disk, read configs again, end."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from kfw.daemon import logs
from kfw.daemon.events import Events
from kfw.daemon.store import Asked, Saved, load, save
from kfw.errors import KfwError
from kfw.model import Forward
from kfw.protocol import ADDED, ReloadRequest, UpReply, UpRequest
from kfw.supervisor.supervisor import Supervisor
from kfw.system.clock import Clock
from kfw.system.files import outside
from kfw.system.open_files import OPEN_FILES

log = logging.getLogger("kfw.daemon")

#: Seconds until a state that could not be written is written again.
SAVE_AGAIN = 3.0
#: Seconds that reading one project's config and kubeconfigs again may take.
READ_AGAIN = 10.0


class DaemonService:
    """`on_demand`: the daemon was started by `up` alone, so it ends when the last forward is down."""

    def __init__(
        self, supervisor: Supervisor, events: Events, clock: Clock, store: Path, *, on_demand: bool
    ) -> None:
        self.supervisor = supervisor
        self.events = events
        self._clock = clock
        self._started = clock.monotonic()
        self._store = store
        self._on_demand = on_demand
        self._asked: dict[str, Asked] = {}
        self._unsaved = ""  # why the store is not up to date
        self._next_save: asyncio.TimerHandle | None = None
        self.ended = asyncio.Event()

    def uptime(self) -> float:
        return self._clock.monotonic() - self._started

    def warnings(self) -> list[str]:
        """What is wrong with this process or its disk, in sentences."""
        return [said for said in (OPEN_FILES.shortage(), self._unsaved, logs.problem()) if said]

    async def restore(self) -> None:
        """Bring back what was up when the last daemon ended."""
        saved = load(self._store)
        self._asked = saved.asked
        if saved.forwards:
            log.info("bringing back what was up: %s", ", ".join(forward.name for forward in saved.forwards))
            await self.supervisor.up(saved.forwards, asked_for=False)

    async def up(self, request: UpRequest) -> UpReply:
        key = request.source.key
        environ = self.supervisor.environ_of(request.environ)
        forwards = [replace(forward, source=key) for forward in request.forwards]
        reply = await self.supervisor.up(forwards, replaces=key if request.replace else None, environ=environ)
        before = self._asked.get(key)
        self._asked[key] = Asked(request.source, request.replace or bool(before and before.whole))
        self._save()
        return reply

    async def down(self, names: Iterable[str]) -> list[str]:
        stopped = await self.supervisor.down(names)
        self._went()
        return stopped

    async def remove(self, names: Iterable[str]) -> list[str]:
        removed = await self.supervisor.remove(names)
        self._went()
        return removed

    async def reload(self, request: ReloadRequest | None = None) -> UpReply:
        """Read the files of every `up` again. Raises before anything changes when one of them is wrong.

        The caller's environment is for the caller's own project, and for those whose own is not known.
        """
        request = request or ReloadRequest()
        environ = self.supervisor.environ_of(request.environ)
        again = [asked for key, asked in self._asked.items() if key != ADDED]
        wanted = [(asked, await self._read_again(asked)) for asked in again]
        total = UpReply([], [], [], [])
        for asked, forwards in wanted:
            key = asked.source.key
            if key not in self._asked:  # it was taken down meanwhile
                continue
            takes = key == request.project or self.supervisor.environ_is_missing(key)
            reply = await self.supervisor.up(forwards, replaces=key, environ=environ if takes else None)
            total = UpReply(
                total.started + reply.started,
                total.restarted + reply.restarted,
                total.stopped + reply.stopped,
                total.unchanged + reply.unchanged,
            )
        self._save()
        said = f"{len(total.started)} started, {len(total.stopped)} stopped"
        log.info("read the configs again: %s", said)
        self.events.emit("reload", message=said)
        return total

    def stop(self, why: str) -> None:
        log.info("the daemon stops: %s", why)
        self.ended.set()

    async def _read_again(self, asked: Asked) -> list[Forward]:
        """Off the loop: a project may be on a file system that hangs."""
        running = self.supervisor.running()
        try:
            return await outside(lambda: _wanted(asked, running), READ_AGAIN)
        except TimeoutError as error:
            what = f"cannot read the files of {asked.source.cwd} again: it takes more than {READ_AGAIN:g} s"
            raise KfwError(what, "check the file system that it is on") from error

    def _went(self) -> None:
        """After forwards ended: a daemon that nobody asked for ends with the last."""
        self._save()
        if self._on_demand and not self.supervisor.running():
            self.stop("nothing is up any more")

    def _save(self) -> None:
        """A disk that takes nothing is not a reason to keep a port away: it is said, and all goes on."""
        running = self.supervisor.running()
        keys = {forward.source for forward in running.values()}
        self._asked = {key: asked for key, asked in self._asked.items() if key in keys}
        before = self._unsaved
        try:
            save(self._store, Saved(list(running.values()), self._asked))
        except KfwError as error:
            self._unsaved = (
                f"state was not saved; after a restart these forwards will not come back: {error.what}"
            )
            if not before:
                log.error("%s", self._unsaved)
                self.events.emit("daemon", message=self._unsaved)
            self._save_later()
            return
        self._unsaved = ""
        if before:
            log.info("state is saved again")
            self.events.emit("daemon", message="state is saved again")

    def _save_later(self) -> None:
        if self._next_save is None:
            self._next_save = asyncio.get_running_loop().call_later(SAVE_AGAIN, self._save_again)

    def _save_again(self) -> None:
        self._next_save = None
        if self._unsaved and not self.ended.is_set():
            self._save()


def _wanted(asked: Asked, running: Mapping[str, Forward]) -> list[Forward]:
    """Blocking."""
    from kfw.config.layers import load as load_config  # yaml: only a daemon that reloads pays for it
    from kfw.kubeconfig.pin import pin

    source = asked.source
    settings = load_config(
        Path(source.cwd), config_files=[Path(f) for f in source.config_files], flags=source.flags
    )
    forwards = [
        replace(forward, source=source.key)
        for forward in settings.forwards.values()
        if asked.whole or (forward.name in running and running[forward.name].source == source.key)
    ]
    return pin(forwards, source.kubeconfig)
