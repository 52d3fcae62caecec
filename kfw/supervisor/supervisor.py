"""All forwards of this daemon: what is wanted becomes runners; every change is told to `tell`."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from kfw.choices import has_own_address
from kfw.environ import Environ
from kfw.errors import UsageError
from kfw.methods.choose import owned_by_child
from kfw.model import SERVING, Forward, Problem, Reason, Status
from kfw.names import DisplayNames, RowId
from kfw.protocol import ADDED, ForwardStatus
from kfw.relay.listener import Listener
from kfw.supervisor.moved_ports import MovedPorts
from kfw.supervisor.plan import Plan, SharedPorts, keep_pins, only_in, only_moves, plan, same_in, shared_rows
from kfw.supervisor.report import Row, level_of, line, news_of
from kfw.supervisor.runner import Clusters, Runner, World

#: A record of the log that has this says what `tell` says as well.
TOLD = "told"
#: `tell(kind, status)`; kind is an Event.type.
Tell = Callable[[str, ForwardStatus], None]

_BY_USER = Problem(Reason.USER_STOPPED, "stopped by the user")


class Supervisor:
    def __init__(self, world: World, tell: Tell) -> None:
        #: Of the rows that there are.
        self.names = DisplayNames()
        self.shares = SharedPorts()
        self._world = replace(world, shown=self.names.of)
        self._tell = tell
        self._rows: dict[RowId, Row] = {}
        self._tasks: dict[RowId, asyncio.Task[None]] = {}
        self._told: dict[RowId, tuple[object, ...]] = {}
        self._left_to_others: list[Forward] = []
        self._turn = asyncio.Lock()  # one change of the set at a time
        self._has_left = False
        self._epoch = 0

    # -- reading

    @property
    def clusters(self) -> Clusters:
        return self._world.clusters

    @property
    def moved_ports(self) -> MovedPorts:
        return self._world.moved_ports

    def running(self) -> dict[RowId, Forward]:
        """What is up or wants to be: these come back after a restart of the daemon."""
        return {
            row_id: row.forward
            for row_id, row in self._rows.items()
            if row.runner or row.status is Status.DISABLED
        }

    def rows(self) -> dict[RowId, Forward]:
        """All that there are, also what is stopped."""
        return {row_id: row.forward for row_id, row in self._rows.items()}

    def shared(self) -> list[Forward]:
        """What projects want whose port serves another one: as they have it."""
        return [self._as_shared(row_id, holder) for row_id, holder in self.shares.items()]

    def is_idle(self) -> bool:
        """Nothing is up, nor wants to be."""
        return not any(row.runner for row in self._rows.values())

    def statuses(self) -> list[ForwardStatus]:
        return [self._report(row) for row in self._rows.values()]

    def endpoints(self) -> dict[RowId, str]:
        """Where each that has a path goes."""
        carriers = {row_id: row.runner.path for row_id, row in self._rows.items() if row.runner}
        return {row_id: carrier.last.name for row_id, carrier in carriers.items() if carrier.last}

    def runner(self, row_id: RowId) -> Runner:
        """Raises UsageError for one that is not up."""
        row = self._row(row_id)
        if row.runner is None:
            raise UsageError(f"'{self.names.of(row_id)}' is {row.status.value}", f"kfw up {row_id.name}")
        return row.runner

    def report(self, row_id: RowId) -> ForwardStatus:
        """Raises UsageError for an unknown one."""
        return self._report(self._row(row_id))

    # -- changing

    async def up(
        self,
        forwards: Iterable[Forward],
        *,
        replaces: str | None = None,
        environ: Environ | None = None,
        asked_for: bool = True,
        context: str = "",
    ) -> Plan:
        """What was done. What another project has word for word is kept there, and serves both.

        `environ`: of who asks; None: what is up keeps its own, what comes new gets that of its source. `asked_for`:
        somebody waits for it, so that a login that needs a person may begin. `context`: only what is in this one is touched.
        """
        async with self._turn:
            running = self.running()
            wanted = only_in(context, running, keep_pins(running, {one.id: one for one in forwards}))
            taken = same_in(ADDED, running, wanted)
            for row_id, added in taken.items():
                self._hand_on(added, wanted[row_id])
            running = self.running() if taken else running
            shared = shared_rows(running, wanted)
            own = {row_id: forward for row_id, forward in wanted.items() if row_id not in shared}
            await self._take_ports(forward for row_id, forward in own.items() if row_id not in running)
            todo = plan(running, own, replaces=replaces, context=context)
            self._take_environ(wanted, environ)
            moves = [row_id for row_id in todo.restart if self._moves(own[row_id])]
            ended = (*todo.stop, *(row_id for row_id in todo.restart if row_id not in moves))
            await self._end(ended, _BY_USER)
            for row_id in (*todo.stop, *shared):
                self._forget(row_id)
            for row_id in (*todo.start, *todo.restart):
                if row_id not in moves:
                    self._begin(own[row_id])
            for row_id in moves:
                self._move(own[row_id])
            if replaces is not None and not context:
                self._forget_shares(replaces)
            self.shares.add(shared)
            if asked_for:
                for row_id in (*own, *shared.values()):
                    self._want(row_id)
            self._forget_environs(todo.stop)
            keep = (*todo.keep, *dict.fromkeys(shared.values()))
            return replace(todo, keep=keep, taken=tuple(taken.values()))

    async def down(self, ids: Iterable[RowId]) -> list[RowId]:
        async with self._turn:
            running = self.running()
            chosen = [row_id for row_id in self._known(ids) if row_id in running]
            await self._end(chosen, _BY_USER)
            self._switch_off(chosen)
            self._forget_environs(chosen)
            return chosen

    async def remove(self, ids: Iterable[RowId]) -> list[RowId]:
        async with self._turn:
            chosen = self._known(ids)
            await self._end(chosen, _BY_USER)
            for row_id in chosen:
                self._forget(row_id)
            self._forget_environs(chosen)
            return chosen

    def retry(self, ids: Sequence[RowId], environ: Environ | None = None, project: str = "") -> list[RowId]:
        """Those that wait or are in error; what serves without a problem needs no attempt, but gets the environment if
        it is named.

        Without any `environ` is for all that are tried, save those of another project than the caller's.
        """
        chosen = self._known(ids)
        waiting = [
            row_id
            for row_id in chosen
            if self._rows[row_id].status not in SERVING or self._rows[row_id].problem
        ]
        if environ:
            mine = (row_id for row_id in waiting if not project or self._takes(row_id, project, ADDED))
            self._bring_to_running(environ, chosen if ids else mine)
        return self._each(waiting, Runner.retry) if waiting else []

    def restart(self, ids: Sequence[RowId], environ: Environ | None = None, project: str = "") -> list[RowId]:
        """Those that are up or want to be; what is stopped or disabled stays so.

        Without any `environ` is for those of the caller's project, and those that have none yet.
        """
        if environ:
            chosen = self._known(ids)
            mine = (row_id for row_id in chosen if self._takes(row_id, project))
            self._bring_to_running(environ, chosen if ids else mine)
        return self._each(ids, Runner.restart)

    def recheck(self, why: str) -> None:
        """What was known of the network may not hold any more: look at everything now."""
        runners = [row.runner for row in self._rows.values() if row.runner]
        self._world.log.info("%s: looking at %d forwards", why, len(runners))
        for runner in runners:
            runner.recheck()

    # -- handing over to another process

    def listeners(self) -> dict[RowId, Listener]:
        """Of the forwards whose port is kfw's own."""
        paths = {row_id: row.runner.path for row_id, row in self._rows.items() if row.runner}
        return {row_id: path.listener for row_id, path in paths.items() if path.listener}

    def have_children_at_port(self) -> list[RowId]:
        """The forwards whose port a child has, or whose address: it cannot be handed over, only given back."""
        methods = self._world.methods
        return [
            row_id
            for row_id, forward in self.running().items()
            if owned_by_child(methods, forward) or has_own_address(forward.method)
        ]

    async def leave(self) -> None:
        """Everything is another process's from now on; live connections stay here until `drain` is over."""
        self._tell = lambda kind, status: None
        self._has_left = True
        for row in [row for row in self._rows.values() if row.runner]:
            if has_own_address(row.forward.method):
                await self._let_go(row.forward.id)
            elif row.runner:
                await row.runner.leave_port()

    def live_connections(self) -> int:
        """After `leave`; a child that carries some counts as one, as it does not say how many."""
        return sum(self._live(row) for row in self._rows.values())

    async def drain_turn(self) -> None:
        """After `leave`, now and then: what carries nobody any more ends."""
        for row_id, row in self._rows.items():
            if row_id in self._tasks and not self._live(row):
                await self._let_go(row_id)

    def _live(self, row: Row) -> int:
        if row.forward.id not in self._tasks or row.runner is None:
            return 0
        path = row.runner.path
        return max(path.listener.connections if path.listener else 0, int(path.carries_somebody))

    async def _let_go(self, row_id: RowId) -> None:
        task = self._tasks.pop(row_id)
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
        self._take_environ({template.id: template}, environ)
        self._world.clusters.want(template, asked_for=True)

    def environ_is_missing(self, source: str) -> bool:
        """Nobody has said in which environment the forwards of it are to be."""
        return self._world.environs.of_source(source) is None

    def _take_environ(self, wanted: Mapping[RowId, Forward], environ: Environ | None) -> None:
        """Before anything begins. What is up and stays so hears of a new one; live connections go on."""
        for source in dict.fromkeys(row_id.project for row_id in wanted):
            ids = [row_id for row_id in wanted if row_id.project == source]
            if environ:
                self._bring(environ, ids, source)
            elif last := self._world.environs.of_source(source):
                self._bring(last, [row_id for row_id in ids if not self._world.environs.has(row_id)])

    def _bring(self, environ: Environ, ids: Sequence[RowId], source: str = "") -> None:
        environs = self._world.environs
        changed = [row_id for row_id in ids if environs.of(row_id) is not environ]
        environs.put(ids, environ, "" if source == ADDED else source)
        for row_id in changed:
            row = self._rows.get(row_id)
            if row and row.runner:
                row.runner.look_again()

    def _bring_to_running(self, environ: Environ, ids: Iterable[RowId]) -> None:
        self._bring(environ, [row_id for row_id in ids if self._rows[row_id].runner])

    def _takes(self, row_id: RowId, *sources: str) -> bool:
        """It is of these, or nobody has said in which environment it is to be."""
        return row_id.project in sources or not self._world.environs.of(row_id).known

    def _forget_environs(self, ids: Iterable[RowId]) -> None:
        self._world.environs.forget(ids, {row_id.project for row_id in self.running()})

    # -- one port for several projects

    def unshare(self, ids: Iterable[RowId]) -> list[RowId]:
        """These are not wanted any more; whose row serves them still wants it. Returns those that were shared."""
        found = self.shares.remove(ids)
        self._forget_environs(found)
        return found

    def left_to_others(self) -> list[Forward]:
        """What one project has ended since this was asked last, and others want: as they have it."""
        left, self._left_to_others = self._left_to_others, []
        return left

    def _as_shared(self, row_id: RowId, holder: RowId) -> Forward:
        return replace(self._rows[holder].forward, source=row_id.project)

    def _forget_shares(self, project: str) -> None:
        """Of what its files have; what its profiles select is known by the services."""
        for row_id, holder in self.shares.items():
            if row_id.project == project and not self._rows[holder].forward.selected:
                self.shares.remove([row_id])

    # -- inside

    def _row(self, row_id: RowId) -> Row:
        return self._rows[self._known([row_id])[0]]

    def _report(self, row: Row) -> ForwardStatus:
        return row.report(self._world.clock.now(), self.names.of(row.forward.id))

    def _known(self, ids: Iterable[RowId]) -> list[RowId]:
        """These themselves, all when there are none. Raises UsageError for one that is gone."""
        ids = list(dict.fromkeys(ids))
        if gone := next((row_id for row_id in ids if row_id not in self._rows), None):
            raise UsageError(f"cannot find a forward named '{gone.name}'", "`kfw status` shows all")
        return ids or list(self._rows)

    def _each(self, ids: Iterable[RowId], act: Callable[[Runner], None]) -> list[RowId]:
        chosen = []
        for row_id in self._known(ids):
            row = self._rows[row_id]
            if row.runner:
                act(row.runner)
                chosen.append(row_id)
        return chosen

    def _want(self, row_id: RowId) -> None:
        row = self._rows.get(row_id)
        if row and row.runner:
            row.runner.want()

    def _moves(self, forward: Forward) -> bool:
        row = self._rows[forward.id]
        return row.runner is not None and only_moves(row.forward, forward)

    def _move(self, forward: Forward) -> None:
        row = self._rows[forward.id]
        if row.runner:
            row.forward = forward
            row.runner.move(forward)

    def _hand_on(self, row_id: RowId, forward: Forward) -> None:
        """The row is that of another project from now on, which has it word for word: nothing else changes."""
        row, new = self._rows.pop(row_id), forward.id
        self._forget(new)  # an old row, that is stopped
        self.names.discard(row_id)
        self.names.add(new)
        self._rows[new] = row
        if task := self._tasks.pop(row_id, None):
            self._tasks[new] = task
        if told := self._told.pop(row_id, None):
            self._told[new] = told
        self.shares.move(row_id, new)
        self._world.environs.move(row_id, new)
        self._world.clusters.hand_on(row.forward, forward)
        row.forward = forward
        if row.runner:
            row.runner.hand_on(forward)

    async def _take_ports(self, new: Iterable[Forward]) -> None:
        """What is in error serves nobody: its port goes to what comes."""
        for port, new_id in {one.local_port: one.id for one in new if one.local_port and one.enabled}.items():
            holders = [
                other
                for other, row in self._rows.items()
                if row.status is Status.ERROR
                and row.runner
                and row.runner.path.has_taken(port)
                and other != new_id
            ]
            why = f"port {port} went to '{new_id.name}', as this one was in error"
            await self._end(
                holders, Problem(Reason.USER_STOPPED, why, "`kfw up`, or `kfw add` with another port")
            )

    def _begin(self, forward: Forward) -> None:
        now, row_id = self._world.clock.now(), forward.id
        self.names.add(row_id)
        if not forward.enabled:
            row = self._rows[row_id] = Row(forward, None, now, self._next_epoch(now))
            row.end(Status.DISABLED, None, now)
            self._publish(row)
            return
        runner = Runner(forward, self._world, self._changed)
        self._rows[row_id] = Row(forward, runner, now, self._next_epoch(now))
        self._told.pop(row_id, None)
        self._tasks[row_id] = asyncio.create_task(runner.run(), name=f"forward {forward.name}")

    def _next_epoch(self, now: float) -> int:
        """Milliseconds since 1970, so that the next daemon's are later; it grows also where the clock does not."""
        self._epoch = max(self._epoch + 1, int(now * 1000))
        return self._epoch

    async def _end(self, ids: Iterable[RowId], why: Problem) -> None:
        """Who is cancelled meanwhile leaves them to end by themselves, to be told by whoever ends them next."""
        ending = {row_id: task for row_id in ids if (task := self._tasks.get(row_id))}
        for task in ending.values():
            task.cancel()
        if ending:
            await asyncio.wait(ending.values())  # their cancellation is not ours, and ours not theirs
        self._left_to_others += [self._as_shared(*pair) for pair in self.shares.end(ending)]
        for row_id in ending:
            del self._tasks[row_id]
            row = self._rows[row_id]
            row.end(Status.STOPPED, why, self._world.clock.now())
            self._publish(row)

    def _switch_off(self, ids: Iterable[RowId]) -> None:
        """What was disabled is stopped like the others: nobody wants its row to come back."""
        for row in [self._rows[row_id] for row_id in ids]:
            if row.status is Status.DISABLED:
                row.end(Status.STOPPED, _BY_USER, self._world.clock.now())
                self._publish(row)

    def _forget(self, row_id: RowId) -> None:
        row = self._rows.pop(row_id, None)
        self._told.pop(row_id, None)
        if row:
            last = self._report(row)
            self.names.discard(row_id)
            self._tell("removed", last)

    def _changed(self, runner: Runner) -> None:
        row = self._rows.get(runner.forward.id)
        if row and row.runner is runner:
            row.observe(self._world.clock.now())
            self._publish(row)

    def _publish(self, row: Row) -> None:
        """Tell a change once, to the log and to who listens. `kfw status` has the newest words in any case."""
        if self._has_left:
            return  # what another process says of it counts
        status, row_id = self._report(row), row.forward.id
        before, news = self._told.get(row_id, ()), news_of(status)
        if before != (*news, status.next_attempt_at):
            self._told[row_id] = (*news, status.next_attempt_at)
            level = level_of(status, same=before[: len(news)] == news)
            self._world.log.log(level, "%s", line(status), extra={TOLD: True})
            self._tell("status", status)
