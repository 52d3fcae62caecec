"""Faults by name, for those outside: begun and ended, in their usual form."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from kfw.sandbox.faults import Faults


@dataclass(frozen=True)
class Kind:
    """`words` are for people."""

    begin: Callable[[Faults], AbstractContextManager[None]]
    words: str


KINDS: dict[str, Kind] = {
    "silent": Kind(Faults.silent, "the API takes connections and says nothing, tunnels stand still"),
    "silent-tunnels": Kind(lambda one: one.silent(only="tunnels"), "tunnels stand still, the API answers"),
    "slow": Kind(Faults.slow, "all that the API and the tunnels say comes 0.5 s late"),
    "reset": Kind(Faults.reset, "connections to the API and tunnels are reset"),
    "refuse": Kind(Faults.refuse, "the API's port refuses, what is open goes on"),
    "malformed": Kind(Faults.malformed, "the API and the tunnels talk nonsense"),
    "forbidden": Kind(Faults.forbidden, "403 for every port-forward"),
    "expired-login": Kind(Faults.expired_login, "401 for everybody, what is open goes on"),
    "expired-watches": Kind(Faults.expired_watches, "410 for every watch"),
    "goaway": Kind(Faults.goaway, "a tunnel takes one connection, then says GOAWAY"),
    "poisoned": Kind(Faults.poisoned, "of each tunnel open now one of five workers stands still"),
    "no-spdy": Kind(Faults.without, "403 for raw SPDY; in WebSocket it works"),
}


class NamedFaults:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._begun: dict[str, ExitStack] = {}

    @property
    def begun(self) -> tuple[str, ...]:
        return tuple(self._begun)

    def begin(self, name: str) -> None:
        """Nothing happens when it is on already."""
        if name not in self._begun:
            stack = ExitStack()
            stack.enter_context(KINDS[name].begin(self._faults))
            self._begun[name] = stack

    def end(self, name: str) -> None:
        if stack := self._begun.pop(name, None):
            stack.close()
