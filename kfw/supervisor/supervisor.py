"""All forwards of this daemon: what is wanted becomes runners; every change is told to `tell`."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from kfw.choices import has_own_address
from kfw.environ import Environ
from kfw.errors import UsageError
from kfw.methods.choose import owned_by_child
from kfw.model import SERVING, Forward, Problem, Reason, Status
from kfw.names import few, probably
from kfw.protocol import ADDED, ForwardStatus, UpReply
from kfw.relay.listener import Listener
from kfw.supervisor.plan import keep_pins, only_in, only_moves, plan
from kfw.supervisor.report import Row, line
from kfw.supervisor.runner import Clusters, Runner, World

#: A record of the log that has this says what `tell` says as well.
TOLD = "told"
#: `tell(kind, status)`; kind is an Event.type.
Tell = Callable[[str, ForwardStatus], None]

#: A word with a digit in it: a count, a time, an address, the name of a pod.
_NUMBERED = re.compile(r"\S*\d\S*")
_BY_USER = Problem(Reason.USER_STOPPED, "stopped by the user")


class Supervisor:
    def __init__(self, world: World, tell: Tell) -> None:
        self._world = world
        self._tell = tell
        self._rows: dict[str, Row] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, tuple[object, ...]] = {}
        self._turn = asyncio.Lock()  # one change of the set at a time
        self._has_left = False
        self._epoch = 0

    # -- reading

    @property
    def clusters(self) -> Clusters:
        return self._world.clusters

    def running(self) -> dict[str, Forward]:
        """What is up or wants to be: these come back after a restart of the daemon."""
        return {
            name: row.forward
            for name, row in self._rows.items()
            if row.runner or row.status is Status.DISABLED
        }

    def rows(self) -> dict[str, Forward]:
        """All that there are, also what is stopped."""
        return {name: row.forward for name, row in self._rows.items()}

    def is_idle(self) -> bool:
        """Nothing is up, nor wants to be."""
        return not any(row.runner for row in self._rows.values())

    def statuses(self) -> list[ForwardStatus]:
        now = self._world.clock.now()
        return [row.report(now) for row in self._rows.values()]

    def endpoints(self) -> dict[str, str]:
        """Where each that has a path goes, by name."""
        carriers = {name: row.runner.path for name, row in self._rows.items() if row.runner}
        return {name: carrier.last.name for name, carrier in carriers.items() if carrier.last}

    def runner(self, name: str) -> Runner:
        """Raises UsageError for a name that is not up."""
        row = self._row(name)
        if row.runner is None:
            raise UsageError(f"'{name}' is {row.status.value}", f"kfw up {name}")
        return row.runner

    def report(self, name: str) -> ForwardStatus:
        return self._row(name).report(self._world.clock.now())

    # -- changing

    async def up(
        self,
        forwards: Iterable[Forward],
        *,
        replaces: str | None = None,
        environ: Environ | None = None,
        asked_for: bool = True,
        context: str = "",
    ) -> UpReply:
        """`environ`: of who asks; None: what is up keeps its own, what comes new gets that of its source.
        `asked_for`: somebody waits for it, so that a login that needs a person may begin. `context`: only what is in this
        one is touched.
        """
        async with self._turn:
            running = self.running()
            named = {forward.name: forward for forward in forwards}
            wanted = only_in(context, running, keep_pins(running, named))
            _refuse_foreign(running, wanted)
            self._hand_on(running, wanted)
            todo = plan(self.running(), wanted, replaces=replaces, context=context)
            self._take_environ(wanted, environ)
            moves = [name for name in todo.restart if self._moves(wanted[name])]
            await self._end((*todo.stop, *(name for name in todo.restart if name not in moves)), _BY_USER)
            for name in todo.stop:
                self._forget(name)
            for name in (*todo.start, *todo.restart):
                if name not in moves:
                    self._begin(wanted[name])
            for name in moves:
                self._move(wanted[name])
            if asked_for:
                for name in wanted:
                    self._want(name)
            self._forget_environs(todo.stop)
            return UpReply(list(todo.start), list(todo.restart), list(todo.stop), list(todo.keep))

    async def down(self, names: Iterable[str]) -> list[str]:
        async with self._turn:
            chosen = [name for name in self._known(names) if name in self.running()]
            await self._end(chosen, _BY_USER)
            self._switch_off(chosen)
            self._forget_environs(chosen)
            return chosen

    async def remove(self, names: Iterable[str]) -> list[str]:
        async with self._turn:
            chosen = self._known(names)
            await self._end(chosen, _BY_USER)
            for name in chosen:
                self._forget(name)
            self._forget_environs(chosen)
            return chosen

    def retry(self, names: Sequence[str], environ: Environ | None = None, project: str = "") -> list[str]:
        """Those that wait or are in error; what serves without a problem needs no attempt, but gets the environment if
        it is named.

        Without names `environ` is for all that are tried, save those of another project than the caller's.
        """
        chosen = self._known(names)
        waiting = [
            name for name in chosen if self._rows[name].status not in SERVING or self._rows[name].problem
        ]
        if environ:
            mine = (name for name in waiting if not project or self._takes(name, project, ADDED))
            self._bring_to_running(environ, chosen if names else mine)
        return self._each(waiting, Runner.retry) if waiting else []

    def restart(self, names: Sequence[str], environ: Environ | None = None, project: str = "") -> list[str]:
        """Those that are up or want to be; what is stopped or disabled stays so.

        Without names `environ` is for those of the caller's project, and those that have none yet.
        """
        if environ:
            chosen = self._known(names)
            mine = (name for name in chosen if self._takes(name, project))
            self._bring_to_running(environ, chosen if names else mine)
        return self._each(names, Runner.restart)

    def recheck(self, why: str) -> None:
        """What was known of the network may not hold any more: look at everything now."""
        runners = [row.runner for row in self._rows.values() if row.runner]
        self._world.log.info("%s: looking at %d forwards", why, len(runners))
        for runner in runners:
            runner.recheck()

    # -- handing over to another process

    def listeners(self) -> dict[str, Listener]:
        """Of the forwards whose port is kfw's own."""
        paths = {name: row.runner.path for name, row in self._rows.items() if row.runner}
        return {name: path.listener for name, path in paths.items() if path.listener}

    def have_children_at_port(self) -> list[str]:
        """The forwards whose port a child has, or whose address: it cannot be handed over, only given back."""
        methods = self._world.methods
        return [
            name
            for name, forward in self.running().items()
            if owned_by_child(methods, forward) or has_own_address(forward.method)
        ]

    async def leave(self) -> None:
        """Everything is another process's from now on; live connections stay here until `drain` is over."""
        self._tell = lambda kind, status: None
        self._has_left = True
        for row in [row for row in self._rows.values() if row.runner]:
            if has_own_address(row.forward.method):
                await self._let_go(row.forward.name)
            elif row.runner:
                await row.runner.leave_port()

    def live_connections(self) -> int:
        """After `leave`; a child that carries some counts as one, as it does not say how many."""
        return sum(self._live(row) for row in self._rows.values())

    async def drain_turn(self) -> None:
        """After `leave`, now and then: what carries nobody any more ends."""
        for name, row in self._rows.items():
            if name in self._tasks and not self._live(row):
                await self._let_go(name)

    def _live(self, row: Row) -> int:
        if row.forward.name not in self._tasks or row.runner is None:
            return 0
        path = row.runner.path
        return max(path.listener.connections if path.listener else 0, int(path.carries_somebody))

    async def _let_go(self, name: str) -> None:
        task = self._tasks.pop(name)
        task.cancel()
        await asyncio.wait([task])

    async def close(self) -> None:
        """End everything; the rows keep their last word, so that nobody is told of a stop that is a shutdown."""
        async with self._turn:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            self._tasks.clear()

    # -- whose environment

    def environ_of(self, sent: Mapping[str, str] | None) -> Environ | None:
        """Of a request. Raises UsageError."""
        return None if sent is None else self._world.environs.made_of(sent)

    def look_for_services(self, template: Forward, environ: Environ | None) -> None:
        """Somebody asks for a profile that selects; its services are looked up in this environment."""
        self._take_environ({template.name: template}, environ)
        self._world.clusters.want(template, asked_for=True)

    def environ_is_missing(self, source: str) -> bool:
        """Nobody has said in which environment the forwards of it are to be."""
        return self._world.environs.of_source(source) is None

    def _take_environ(self, wanted: Mapping[str, Forward], environ: Environ | None) -> None:
        """Before anything begins. What is up and stays so hears of a new one; live connections go on."""
        for source in dict.fromkeys(forward.source for forward in wanted.values()):
            names = [name for name, forward in wanted.items() if forward.source == source]
            if environ:
                self._bring(environ, names, source)
            elif last := self._world.environs.of_source(source):
                self._bring(last, [name for name in names if not self._world.environs.has(name)])

    def _bring(self, environ: Environ, names: Sequence[str], source: str = "") -> None:
        environs = self._world.environs
        changed = [name for name in names if environs.of(name) is not environ]
        environs.put(names, environ, "" if source == ADDED else source)
        for name in changed:
            row = self._rows.get(name)
            if row and row.runner:
                row.runner.look_again()

    def _bring_to_running(self, environ: Environ, names: Iterable[str]) -> None:
        self._bring(environ, [name for name in names if self._rows[name].runner])

    def _takes(self, name: str, *sources: str) -> bool:
        """It is of these, or nobody has said in which environment it is to be."""
        return self._rows[name].forward.source in sources or not self._world.environs.of(name).known

    def _forget_environs(self, names: Iterable[str]) -> None:
        self._world.environs.forget(names, {forward.source for forward in self.running().values()})

    # -- inside

    def _row(self, name: str) -> Row:
        return self._rows[self._known([name])[0]]

    def _known(self, names: Iterable[str]) -> list[str]:
        """The names themselves, all when there are none. Raises UsageError for unknown ones."""
        names = list(dict.fromkeys(names))
        unknown = [name for name in names if name not in self._rows]
        if unknown:
            known = sorted(self._rows)
            raise UsageError(
                f"there is no forward named {few(map(repr, unknown))}",
                f"{probably(unknown[0], known)}known are: {few(known) or 'none'}",
            )
        return names or list(self._rows)

    def _each(self, names: Iterable[str], act: Callable[[Runner], None]) -> list[str]:
        chosen = []
        for name in self._known(names):
            row = self._rows[name]
            if row.runner:
                act(row.runner)
                chosen.append(name)
        return chosen

    def _want(self, name: str) -> None:
        row = self._rows.get(name)
        if row and row.runner:
            row.runner.want()

    def _moves(self, forward: Forward) -> bool:
        row = self._rows[forward.name]
        return row.runner is not None and only_moves(row.forward, forward)

    def _move(self, forward: Forward) -> None:
        row = self._rows[forward.name]
        if row.runner:
            row.forward = forward
            row.runner.move(forward)

    def _hand_on(self, running: Mapping[str, Forward], wanted: Mapping[str, Forward]) -> None:
        """What is up as it is wanted, and was brought by another source, is that of the new one: nothing else changes."""
        for name, forward in wanted.items():
            old = running.get(name)
            if old and old != forward and replace(old, source=forward.source) == forward:
                row = self._rows[name]
                row.forward = forward
                if row.runner:
                    row.runner.forward = row.runner.path.forward = forward

    def _begin(self, forward: Forward) -> None:
        now = self._world.clock.now()
        if not forward.enabled:
            row = self._rows[forward.name] = Row(forward, None, now, self._next_epoch(now))
            row.end(Status.DISABLED, None, now)
            self._publish(row)
            return
        runner = Runner(forward, self._world, self._changed)
        self._rows[forward.name] = Row(forward, runner, now, self._next_epoch(now))
        self._told.pop(forward.name, None)
        self._tasks[forward.name] = asyncio.create_task(runner.run(), name=f"forward {forward.name}")

    def _next_epoch(self, now: float) -> int:
        """Milliseconds since 1970, so that the next daemon's are later; it grows also where the clock does not."""
        self._epoch = max(self._epoch + 1, int(now * 1000))
        return self._epoch

    async def _end(self, names: Iterable[str], why: Problem) -> None:
        """Who is cancelled meanwhile leaves them to end by themselves, to be told by whoever ends them next."""
        ending = {name: task for name in names if (task := self._tasks.get(name))}
        for task in ending.values():
            task.cancel()
        if ending:
            await asyncio.wait(ending.values())  # their cancellation is not ours, and ours not theirs
        for name in ending:
            del self._tasks[name]
            row = self._rows[name]
            row.end(Status.STOPPED, why, self._world.clock.now())
            self._publish(row)

    def _switch_off(self, names: Iterable[str]) -> None:
        """What was disabled is stopped like the others: nobody wants its row to come back."""
        for row in [self._rows[name] for name in names]:
            if row.status is Status.DISABLED:
                row.end(Status.STOPPED, _BY_USER, self._world.clock.now())
                self._publish(row)

    def _forget(self, name: str) -> None:
        row = self._rows.pop(name, None)
        self._told.pop(name, None)
        if row:
            self._tell("removed", row.report(self._world.clock.now()))

    def _changed(self, runner: Runner) -> None:
        row = self._rows.get(runner.forward.name)
        if row and row.runner is runner:
            row.observe(self._world.clock.now())
            self._publish(row)

    def _publish(self, row: Row) -> None:
        """Tell a change once, to the log and to who listens. `kfw status` has the newest words in any case."""
        if self._has_left:
            return  # what another process says of it counts
        status = row.report(self._world.clock.now())
        before, news = self._told.get(status.name, ()), _news(status)
        if before != (*news, status.next_attempt_at):
            self._told[status.name] = (*news, status.next_attempt_at)
            level = _level(status, same=before[: len(news)] == news)
            self._world.log.log(level, "%s", line(status), extra={TOLD: True})
            self._tell("status", status)


def _level(status: ForwardStatus, *, same: bool) -> int:
    if same:
        return logging.DEBUG  # only the time of the next attempt has changed
    return logging.WARNING if status.status is Status.ERROR else logging.INFO


def _news(status: ForwardStatus) -> tuple[object, ...]:
    """What is told when it changes, as is a planned attempt. A count, a time or a pod's name in the sentence is not news,
    unless it says what a person has to do."""
    needs_person = status.reason is not None and status.reason.traits.needs_person
    words = status.message if needs_person else _NUMBERED.sub("#", status.message)
    return status.status, status.reason, status.endpoint, status.local_port, words


def _refuse_foreign(running: Mapping[str, Forward], wanted: Mapping[str, Forward]) -> None:
    """Two projects may not fight for one name: the second is told who has it."""
    for name, forward in wanted.items():
        old = running.get(name)
        if old and old.source != forward.source and replace(old, source=forward.source) != forward:
            raise UsageError(
                f"'{name}' is up already, from {old.source}",
                f"kfw remove {name}, or give one of them another name",
            )
