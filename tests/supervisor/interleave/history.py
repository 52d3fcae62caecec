"""What happens to a forward, drawn from a seed: a list of events, each with what passes until the next one."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from kfw.model import Health, Retry

LONGEST = 12

#: What can happen, with its kinds, and how often it is drawn.
EVENTS: dict[str, tuple[int, tuple[str, ...]]] = {
    "a pod comes": (6, ("echo", "echo", "echo", "echo", "refuses", "silent", "resets", "closes")),
    "a pod goes": (6, ("its links live", "its links break")),
    "all pods are replaced": (5, ("its links live", "its links break")),
    "a pod changes": (3, ("echo", "refuses", "silent", "resets", "closes")),
    "service": (1, ("gone", "there")),
    "api": (3, ("away", "there")),
    "login": (4, ("fails", "fails, and the watch ends", "works")),
    "rights": (4, ("taken", "given")),
    "may list": (2, ("no", "yes")),
    "kubeconfig": (1, ("gone", "there")),
    "the kubeconfig names another cluster": (2, ("",)),
    "another user": (1, ("",)),
    "dials": (8, ("work", "work", "come late", "hang", "fail", "end from inside")),
    "a link": (8, ("breaks", "is silent", "speaks", "goes away")),
    "a client": (12, ("knocks", "knocks and speaks", "speaks", "leaves", "breaks off", "says all")),
    "user": (6, ("retry", "restart", "doubt", "look again")),
    "the watch": (1, ("ends from inside",)),
    "time": (4, ("passes",)),
}
_ALL = {name: weight for name, (weight, _) in EVENTS.items()}
#: What faults in pairs are made of: pods go while dials do this and that, and the old way is lost meanwhile.
_PAIRS = {
    "all pods are replaced": 4,
    "a pod goes": 3,
    "a pod comes": 3,
    "dials": 8,
    "a link": 8,
    "rights": 3,
    "api": 3,
    "user": 3,
    "a client": 3,
}


class Event(NamedTuple):
    """`which` of those that are there, by turns; `lag`: seconds until a watch sees it. Then pass `turns` of the loop, and
    `seconds`."""

    what: str
    how: str
    which: int
    lag: float
    turns: int
    seconds: float

    def __str__(self) -> str:
        seen = f", seen after {self.lag:g} s" if self.lag else ""
        after = f"{self.turns} turns" + (f" and {self.seconds:g} s" if self.seconds else "")
        return f"{self.what}: {self.how} [{self.which}]{seen}; then {after}"


@dataclass(frozen=True)
class History:
    """`ends_early`: the forward is stopped in the middle of it all."""

    seed: int
    health: Health
    retry: Retry
    hold: float
    latency: float  # seconds
    spare: int  # links that may be kept
    sticky: bool
    ends_early: bool
    events: tuple[Event, ...]

    def __str__(self) -> str:
        head = (
            f"seed {self.seed}: health {self.health.type}, {self.retry.max_attempts} attempts, hold {self.hold:g} s, "
            f"latency {self.latency:g} s, spare {self.spare}{', sticky' if self.sticky else ''}"
            f"{', ends early' if self.ends_early else ''}"
        )
        return "\n".join([head, *(f"  {number:2} {event}" for number, event in enumerate(self.events))])


def draw(seed: int) -> History:
    chance = random.Random(seed)
    return History(
        seed,
        Health(
            chance.choice(("tcp", "tcp", "none", "http")), interval=chance.choice((2.0, 15.0)), timeout=5.0
        ),
        Retry(initial_delay=1.0, max_delay=8.0, max_attempts=chance.choice((0, 0, 0, 2))),
        hold=chance.choice((0.5, 2.0, 5.0)),
        latency=chance.choice((0.0, 0.0, 0.002)),
        spare=chance.choice((16, 16, 16, 1)),
        sticky=chance.random() < 0.2,
        ends_early=chance.random() < 0.2,
        events=tuple(_events(chance)),
    )


def _events(chance: random.Random) -> Iterable[Event]:
    for _ in range(chance.randrange(3)):
        yield _event(chance, "a pod comes", "echo")
    if chance.random() < 0.5:
        yield Event("time", "passes", 0, 0.0, 0, 0.4)
    drawn = _PAIRS if chance.random() < 0.4 else _ALL
    for what in chance.choices(list(drawn), list(drawn.values()), k=chance.randrange(2, LONGEST)):
        yield _event(chance, what, chance.choice(EVENTS[what][1]))
    if chance.random() < 0.2:
        yield Event("user", "restart", 0, 0.0, chance.randrange(9), 0.0)


def _event(chance: random.Random, what: str, how: str) -> Event:
    lag = chance.choice((0.0, 0.0, 0.0, 0.06, 0.3, 1.5))
    turns = chance.choice((0, 0, 0, 1, 2, 3, 4, 6, 9))
    seconds = chance.choice((0.0, 0.0, 0.0, 0.0, 0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0))
    if what == "time":
        seconds = chance.choice((1.0, 1.0, 2.5, 2.5, 5.0, 12.0))
    return Event(what, how, chance.randrange(8), lag, turns, seconds)
