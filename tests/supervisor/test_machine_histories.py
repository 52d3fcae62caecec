"""Random histories through the pure machine: there is no state that only a restart of kfw leaves.

The test is the runner's half: it knows which attempt and which pause are under way, and lets only these end.
"""

import random
from dataclasses import dataclass, field

import pytest

from kfw.model import Health, Problem, Reason, Retry, Status
from kfw.supervisor.machine import (
    Action,
    Broke,
    ConnectionWaiting,
    DelayOver,
    Event,
    Found,
    Missing,
    Opened,
    OpenFailed,
    Phase,
    ProbeFailed,
    ProbeOk,
    Refused,
    RetryAsked,
    Settled,
    Slow,
    Snapshot,
    status_of,
    step,
)

HISTORIES = 20_000
LONGEST = 30


@dataclass
class Life:
    """One forward's. `opening` and `waiting`: a task that will end in an event runs."""

    retry: Retry
    now: Snapshot = field(default_factory=Snapshot)
    opening: bool = False
    waiting: bool = False

    def happens(self, event: Event) -> None:
        if isinstance(event, Opened | OpenFailed):
            self.opening = False
        if isinstance(event, DelayOver):
            self.waiting = False
        self.now, do = step(self.now, event, self.retry, Health())
        if do in (Action.OPEN, Action.HOLD, Action.WAIT):  # the runner ends what runs before it does these
            self.opening, self.waiting = do is Action.OPEN, do is Action.WAIT
        self.check()

    def check(self) -> None:
        assert self.now.phase is not Phase.OPENING or self.opening, (
            "it waits for an attempt that nobody makes"
        )
        assert self.now.phase is not Phase.WAITING or self.waiting, "it waits for a pause that nobody ends"

    def possible(self, chance: random.Random) -> Event:
        problem = Problem(chance.choice(list(Reason)), "it is so")
        anytime: list[Event] = [
            Found(same=chance.random() < 0.5),
            Missing(problem, stale=chance.random() < 0.5),
            ConnectionWaiting(),
            RetryAsked(),
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
        self.happens(Found(same=self.now.phase in (Phase.UP, Phase.OPENING)))
        for _ in range(4):
            if self.opening:
                self.happens(Opened())
            elif self.waiting and self.now.phase is not Phase.UP:
                self.happens(DelayOver())
        for _ in range(2):
            self.happens(ProbeOk())


def lived(seed: int) -> Life:
    chance = random.Random(seed)
    life = Life(Retry(max_attempts=chance.choice((0, 0, 3))))
    for _ in range(chance.randrange(LONGEST)):
        life.happens(life.possible(chance))
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
