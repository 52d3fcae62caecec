"""A login that may need a person: what it waits for is told, and it is begun only while somebody waits for it."""

import asyncio
from collections.abc import Awaitable, Callable

from kfw.backoff import Backoff
from kfw.errors import LoginError
from kfw.kube.exec_plugin import PluginStatus
from kfw.kube.plugin_output import asks_a_person, lines_of, request
from kfw.model import Problem, Reason
from kfw.secret import show

#: Seconds that a login may take: while somebody waits for it, counted from when that was said last, and alone.
PERSON, ALONE = 300.0, 60.0
#: Seconds after which what a plugin has said is told, and after which it is told that it runs. Most need less.
QUIET, SILENT = 0.7, 2.0
#: Seconds between two sentences about what it says.
INTERVAL = 0.25
#: Seconds until a connection may ask a person once more after nobody has answered, doubled each time.
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3600.0


class PluginRuns:
    """What is known over several runs of one user's plugin. `changed` is called when `problem` changes.

    A plugin that asked a person and got nothing is not run again by itself: each run may open a browser. One that ran
    out of time without a word may have opened one, too; it is run again when something has changed.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.problem: Problem | None = None
        self.words = ""  # of the plugin, that are in the problem
        self.is_over = False  # only somebody who waits begins it again
        self.asked = False  # the last run asked a person
        self.out_of_time = False  # the last run ended so
        self._changed = changed
        self._wanted_until = float("-inf")
        self._not_before = float("-inf")
        self._failures = 0

    def want(self, *, asked_for: bool) -> bool:
        """Whether it may begin: a connection has to wait when nobody has answered lately. See Login.want."""
        now = asyncio.get_running_loop().time()
        if self.is_over and not asked_for and now < self._not_before:
            return False
        self._wanted_until = now + PERSON
        self.is_over = False
        return True

    def something_changed(self) -> None:
        if not self.asked:
            self.is_over = False

    def failed(self) -> None:
        self.is_over = self.asked or self.out_of_time
        if self.is_over:
            self._failures += 1
            pause = Backoff(FIRST_PAUSE, LONGEST_PAUSE).after(self._failures)
            self._not_before = asyncio.get_running_loop().time() + pause
            self._wanted_until = float("-inf")

    def succeeded(self) -> None:
        self._failures = 0

    def begin(self) -> None:
        self.asked = self.out_of_time = False

    def until(self, began: float) -> float:
        """When a run that began then must have ended, in the loop's time."""
        return max(began + ALONE, self._wanted_until)

    def tell(self, problem: Problem | None, words: str = "") -> None:
        if problem != self.problem:
            self.problem, self.words = problem, words
            self._changed()


class PluginRun:
    """`plugin` names it in sentences. One run; `hear` is told all that it has said so far."""

    def __init__(self, waiting: PluginRuns, plugin: str, user: str, by_hand: str) -> None:
        self.plugin = plugin
        self._user = user
        self._by_hand = by_hand
        self._waiting = waiting
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._said = b""
        self._lines = list[str]()
        self._timer: asyncio.TimerHandle | None = None
        waiting.begin()

    def hear(self, said: bytes) -> None:
        """Cheap: what it means is looked at now and then."""
        self._said = said
        if self._timer is None:
            self._timer = self._loop.call_later(INTERVAL, self._understand)

    async def finish(self, running: Awaitable[PluginStatus]) -> PluginStatus:
        """What it answers. Raises what it raises, and LoginError when its time is over."""
        run = asyncio.ensure_future(running)
        timers = (self._loop.call_later(QUIET, self._understand), self._loop.call_later(SILENT, self._tell))
        try:
            while (left := self._waiting.until(self._began) - self._loop.time()) > 0 and not run.done():
                await asyncio.wait([run], timeout=left)
            if not run.done():
                raise self._out_of_time()
            return run.result()
        finally:
            for timer in timers:
                timer.cancel()
            self._understand(tell=False)
            run.cancel()
            await asyncio.wait([run])
            self._waiting.tell(None)

    def _understand(self, *, tell: bool = True) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._said:
            self._lines = lines_of(self._said[-4096:])
            self._waiting.asked = self._waiting.asked or asks_a_person(self._lines)
        if tell and self._lines and (self._waiting.asked or self._loop.time() - self._began > 0.9 * QUIET):
            self._tell()

    def _tell(self) -> None:
        if self._lines:
            words = show(f"waiting for a login of user {self._user}: {request(self._lines)}")
        else:
            words = show(f"waiting for {self.plugin} to log in user {self._user}")
        self._waiting.tell(Problem(Reason.LOGIN_PENDING, words), words if self._lines else "")

    def _out_of_time(self) -> LoginError:
        self._understand(tell=False)
        self._waiting.out_of_time = True
        seconds = self._loop.time() - self._began
        said = f"; it said: {request(self._lines)}" if self._lines else ""
        return LoginError(
            f"{self.plugin} has not logged in user {self._user} within {seconds:.0f} s{said}",
            f"`kfw retry`, or a connection to the forward, starts it again; {self._by_hand}",
        )
