"""Which browsers are logged in: a token that works once becomes a cookie, and a path on which that is sent."""

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256

#: Tokens that nobody has used yet, and browsers that are logged in: the oldest go.
MOST = 32
#: Seconds in which a token is to be used.
TOKEN_LIFE = 600.0
#: Bytes of chance in a token, a cookie and a path.
_CHANCE = 24


@dataclass(frozen=True)
class BrowserLogin:
    """`place`: the part of the path that this browser's requests have. Cookies do not know ports: without a path of its own
    this one would also go to every forward on the same address."""

    place: str
    cookie: str


class Logins:
    """`now`: seconds that never go back; `draw`: text that nobody guesses."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        draw: Callable[[], str] = lambda: secrets.token_urlsafe(_CHANCE),
    ) -> None:
        self._now, self._draw = now, draw
        self._tokens: dict[bytes, float] = {}
        self._browsers: dict[str, bytes] = {}

    def token(self) -> str:
        made = self._draw()
        self._tokens[_digest(made)] = self._now() + TOKEN_LIFE
        _keep_newest(self._tokens)
        return made

    def exchange(self, token: str) -> BrowserLogin | None:
        """None: it is wrong, too old, or was used before."""
        until = self._tokens.pop(_digest(token), None)
        if until is None or until < self._now():
            return None
        made = BrowserLogin(self._draw(), self._draw())
        self._browsers[made.place] = _digest(made.cookie)
        _keep_newest(self._browsers)
        return made

    def memory(self) -> tuple[list[tuple[bytes, float]], list[tuple[str, bytes]]]:
        """For another process: tokens by digest with the seconds that they have left, and browsers with their cookies'
        digests, the oldest first."""
        now = self._now()
        return [(token, until - now) for token, until in self._tokens.items()], list(self._browsers.items())

    def remember(self, tokens: Iterable[tuple[bytes, float]], browsers: Iterable[tuple[str, bytes]]) -> None:
        """What `memory` said there."""
        now = self._now()
        self._tokens |= {token: now + seconds for token, seconds in tokens}
        self._browsers |= dict(browsers)
        _keep_newest(self._tokens)
        _keep_newest(self._browsers)

    def admits(self, place: str, cookie: str) -> bool:
        wanted = self._browsers.get(place)
        return wanted is not None and secrets.compare_digest(wanted, _digest(cookie))


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="replace")).digest()


def _keep_newest(kept: "dict[bytes, float] | dict[str, bytes]") -> None:
    while len(kept) > MOST:
        del kept[next(iter(kept))]  # type: ignore[arg-type]
