"""Health checks of the path in use: now and then, and at once when its connections are late or fail."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from kfw.aio import Complaints, expose_cancellation
from kfw.choices import HEALTH_TYPES
from kfw.errors import KfwError, Shortage, describe
from kfw.methods.base import ProvesApp, Tunnel
from kfw.methods.eof_behaviour import EofBehaviour
from kfw.model import Health, Problem, Reason, problem_of
from kfw.relay.suspicion import Hint
from kfw.supervisor.delays import next_check
from kfw.supervisor.hints import HintPace, event_of, is_contradicted
from kfw.supervisor.machine import GOOD_CHECKS
from kfw.supervisor.machine_events import ProbeFailed, ProbeOk
from kfw.system.clock import Clock
from kfw.system.open_files import OPEN_FILES

#: Seconds for a look after a hint, by a tunnel that has no fast one of its own.
SOON = 1.5


class Clients(Protocol):
    """What the clients of a forward see."""

    @property
    def answered(self) -> int:
        """Connections that were answered so far."""
        ...

    @property
    def has_no_room(self) -> bool:
        """New ones cannot be accepted now."""
        ...


class HealthChecks:
    """Of one forward. `tell` gets an event for each check."""

    def __init__(
        self,
        health: Health,
        clock: Clock,
        tell: Callable[[ProbeOk | ProbeFailed], None],
        clients: Clients,
        complaints: Complaints,
    ) -> None:
        self._health = health
        self._clock = clock
        self._tell = tell
        self._clients = clients
        self._complaints = complaints
        self._pace = HintPace()
        self.looking = False  # because of a hint
        self._had_no_room = False  # and that is all that was wrong

    def wait(self, hint: Hint) -> float:
        """Seconds until a look may be made for it; 0 or less: now."""
        return self._pace.wait(hint, self._clock.monotonic())

    async def run(
        self, tunnel: Tunnel, eof_behaviour: EofBehaviour, *, at_once: bool = False, hinted: bool = False
    ) -> None:
        """For ever. `hinted`: begin with a look that is fast and thorough; so is each while the last one failed."""
        self.looking = hinted
        good, failing = 0, False
        while self._health.type != "none":
            await self._clock.sleep(
                0 if at_once or hinted else next_check(self._health, good, failing=failing)
            )
            at_once = False
            event = await self._check(tunnel, eof_behaviour, soon=hinted or failing)
            if event is None:
                self.looking = hinted = False
                continue
            passed = isinstance(event, ProbeOk)
            if hinted:
                self.looking = hinted = False
                self._pace.looked(self._clock.monotonic(), passed=passed)
            good = good + 1 if passed else 0
            settled = isinstance(event, ProbeOk) and event.settles
            failing = not passed or (failing and good < GOOD_CHECKS and not settled)
            self._tell(event)

    async def _check(
        self, tunnel: Tunnel, eof_behaviour: EofBehaviour, *, soon: bool
    ) -> ProbeOk | ProbeFailed | None:
        """None: nothing could be asked."""
        if self._clients.has_no_room and (why := OPEN_FILES.shortage()):
            self._had_no_room = True
            return ProbeFailed(Problem(Reason.UNHEALTHY, why), apart=True)
        if self._had_no_room:
            self._had_no_room = False
            return ProbeOk(settles=True)
        try:
            return await expose_cancellation(self._ask(tunnel, eof_behaviour, soon=soon), "the health check")
        except Shortage:
            return None
        except KfwError as error:
            return ProbeFailed(problem_of(error))
        except TimeoutError:
            told = f"no answer from {tunnel.endpoint} within {SOON:g} s"
            return ProbeFailed(Problem(Reason.UNHEALTHY, told))
        except Exception as defect:  # noqa: BLE001  a check that fails in a new way is a failed check
            self._complaints.tell(defect)
            told = f"internal error: {describe(defect)}"
            return ProbeFailed(Problem(Reason.INTERNAL, told, "`kfw logs` shows where"))

    async def _ask(self, tunnel: Tunnel, eof_behaviour: EofBehaviour, *, soon: bool) -> ProbeOk | ProbeFailed:
        if isinstance(tunnel, ProvesApp):
            return await self._examine(tunnel, eof_behaviour, soon=soon)
        app_decides = HEALTH_TYPES[self._health.type].asks_app and not self.looking
        async with asyncio.timeout(SOON if soon and not app_decides else None):
            await tunnel.probe()
        return ProbeOk()

    async def _examine(
        self, tunnel: ProvesApp, eof_behaviour: EofBehaviour, *, soon: bool
    ) -> ProbeOk | ProbeFailed:
        before = self._clients.answered
        seen = await tunnel.examine(soon=soon)
        if is_contradicted(seen, self._clients.answered - before):
            eof_behaviour.forget()
            return ProbeOk()
        return event_of(seen)
