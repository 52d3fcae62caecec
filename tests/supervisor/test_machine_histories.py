"""Random histories through the pure machine: there is no state that only a restart of kfw leaves.

The test is the runner's half: it knows which attempt and which pause are under way, and lets only these end.
"""

import random
from dataclasses import dataclass, field

import pytest

from kfw.model import Health, Problem, Reason, Retry, Status
from kfw.supervisor.machine import Phase, Snapshot, status_of, step
from kfw.supervisor.machine_events import (
    Action,
    Broke,
    ConnectionWaiting,
    ContextChanged,
    Crashed,
    DelayOver,
    Event,
    Found,
    Missing,
    Opened,
    OpenFailed,
    PortNotTaken,
    PortTaken,
    ProbeFailed,
    ProbeOk,
    RecheckAsked,
    Refused,
    RestartAsked,
    Retargeted,
    RetryAsked,
    Settled,
    Slow,
    Started,
)

PORT_IN_USE = Problem(Reason.PORT_IN_USE, "somebody has it")

HISTORIES = 20_000
LONGEST = 30


@dataclass
class Life:
    """One forward's. `opening` and `waiting`: a task that will end in an event runs; `follows`: the target is."""

    retry: Retry
    chance: random.Random
    binds: float = 1.0
    now: Snapshot = field(default_factory=Snapshot)
    opening: bool = False
    waiting: bool = False
    follows: bool = False
    has_path: bool = False

    def happens(self, event: Event) -> None:
        if isinstance(event, Opened | OpenFailed):
            self.opening = False
        if isinstance(event, DelayOver):
            self.waiting = False
        self.now, actions = step(self.now, event, self.retry, Health())
        answers = [answer for action in actions if (answer := self.do(action))]
        for answer in answers:
            self.happens(answer)
        self.check()

    def do(self, action: Action) -> Event | None:
        match action:
            case Action.OPEN | Action.HOLD | Action.WAIT:  # the runner ends what runs before it does these
                self.opening, self.waiting = action is Action.OPEN, action is Action.WAIT
            case Action.BIND:
                self.waiting = False
                return PortTaken() if self.chance.random() < self.binds else PortNotTaken(PORT_IN_USE)
            case Action.FOLLOW:
                self.waiting, self.follows = False, True
            case Action.RESET:
                self.opening = self.waiting = self.follows = self.has_path = False
            case Action.ACTIVATE:
                self.has_path = True
            case Action.RETIRE:
                assert self.has_path, "there is none to be given up"
                self.has_path = False
            case Action.RETARGET:
                return Retargeted(goes_on=self.chance.random() < 0.5)
        return None

    def check(self) -> None:
        assert self.now.phase is not Phase.OPENING or self.opening, (
            "it waits for an attempt that nobody makes"
        )
        paused = self.now.phase in (Phase.WAITING, Phase.CRASHED)
        assert not paused or self.waiting, "it waits for a pause that nobody ends"
        assert self.now.phase is not Phase.UP or self.has_path, "it is up without a path"
        assert self.now.has_path == self.has_path, "it is wrong about its path"
        ends = self.now.phase in (Phase.PARKED, Phase.CRASHED)
        assert self.follows or ends, "nobody follows the target"
        assert self.now.bound or ends, "nothing is without the port"

    def possible(self) -> Event:
        chance = self.chance
        problem = Problem(chance.choice(list(Reason)), "it is so")
        words: list[Event] = [
            Found(moved=chance.random() < 0.2),
            Missing(problem, stale=chance.random() < 0.5),
        ]
        anytime: list[Event] = [
            *(words if self.follows else ()),
            ConnectionWaiting(),
            RetryAsked(),
            RestartAsked(),
            RecheckAsked(),
            ContextChanged("other"),
            Crashed(problem),
            Broke(problem),
            Refused(problem),
            ProbeOk(),
            ProbeFailed(problem, apart=chance.random() < 0.5),
            Settled(),
            Slow(problem),
        ]
        if self.opening:
            anytime += [Opened(), OpenFailed(problem, awaited=chance.random() < 0.5)] * 3
        if self.waiting:
            anytime += [DelayOver()] * 3
        return chance.choice(anytime)

    def recover(self) -> None:
        """The world is well again, and each task comes to its end."""
        self.binds = 1.0
        if self.now.phase is Phase.CRASHED:
            self.happens(DelayOver())
        if self.follows:
            self.happens(Found())
        for _ in range(4):
            if self.opening:
                self.happens(Opened())
            elif self.waiting and self.now.phase is not Phase.UP:
                self.happens(DelayOver())
        for _ in range(2):
            self.happens(ProbeOk())


def lived(seed: int) -> Life:
    chance = random.Random(seed)
    life = Life(Retry(max_attempts=chance.choice((0, 0, 3))), chance, binds=chance.choice((1.0, 1.0, 0.5)))
    life.happens(Started())
    for _ in range(chance.randrange(LONGEST)):
        life.happens(life.possible())
    return life


def test_from_wherever_it_is_a_forward_comes_back_by_itself_or_is_parked_with_a_reason() -> None:
    for seed in range(HISTORIES):
        life = lived(seed)
        life.recover()
        if life.now.phase is Phase.PARKED:
            assert life.now.problem and status_of(life.now) is Status.ERROR, f"seed {seed}"
            life.happens(RetryAsked())
            life.recover()
        assert status_of(life.now) is Status.ACTIVE, f"seed {seed}: {life.now}"


@pytest.mark.parametrize("phase", Phase)
def test_histories_reach_every_state(phase: Phase) -> None:
    assert any(lived(seed).now.phase is phase for seed in range(500))
