"""Accidents by name, for those outside: begun and ended, in their usual form."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from kfw.sandbox.accidents import Accidents


@dataclass(frozen=True)
class Kind:
    """`words` are for people."""

    begin: Callable[[Accidents], AbstractContextManager[None]]
    words: str


KINDS: dict[str, Kind] = {
    "silent": Kind(Accidents.silent, "the API takes connections and says nothing, tunnels stand still"),
    "silent-tunnels": Kind(lambda one: one.silent(only="tunnels"), "tunnels stand still, the API answers"),
    "slow": Kind(Accidents.slow, "all that the API and the tunnels say comes 0.5 s late"),
    "reset": Kind(Accidents.reset, "connections to the API and tunnels are reset"),
    "refuse": Kind(Accidents.refuse, "the API's port refuses, what is open goes on"),
    "malformed": Kind(Accidents.malformed, "the API and the tunnels talk nonsense"),
    "forbidden": Kind(Accidents.forbidden, "403 for every port-forward"),
    "expired-login": Kind(Accidents.expired_login, "401 for everybody, what is open goes on"),
    "expired-watches": Kind(Accidents.expired_watches, "410 for every watch"),
    "goaway": Kind(Accidents.goaway, "a tunnel takes one connection, then says GOAWAY"),
    "poisoned": Kind(Accidents.poisoned, "of each tunnel open now one of five workers stands still"),
    "no-spdy": Kind(Accidents.without, "403 for raw SPDY; in WebSocket it works"),
}


class NamedAccidents:
    def __init__(self, accidents: Accidents) -> None:
        self._accidents = accidents
        self._begun: dict[str, ExitStack] = {}

    @property
    def begun(self) -> tuple[str, ...]:
        return tuple(self._begun)

    def begin(self, name: str) -> None:
        """Nothing happens when it is on already."""
        if name not in self._begun:
            stack = ExitStack()
            stack.enter_context(KINDS[name].begin(self._accidents))
            self._begun[name] = stack

    def end(self, name: str) -> None:
        if stack := self._begun.pop(name, None):
            stack.close()
