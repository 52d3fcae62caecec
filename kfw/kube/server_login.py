"""What one server says to one user's credentials. A credential belongs to the user, a refusal to the pair of both.

Several servers may share a login, and one of them may refuse what the others accept. So each remembers for itself what
it accepted last, and goes on with that whatever another one refuses; who is refused asks for new credentials once.
"""

from collections.abc import Callable

from kfw.errors import KfwError
from kfw.kube.credentials import Credentials
from kfw.kube.login import Login, Setback
from kfw.model import Problem


class ServerLogin:
    """A user's login as one server sees it."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self._good: Credentials | None = None  # accepted last, and not refused since
        self._refused: Credentials | None = None
        self._fresh: Credentials | None = None  # made while this server waited for it, and not accepted yet
        self._setback = Setback(login.now)

    async def credentials(self) -> Credentials:
        """What this server accepted last, while it holds; else the user's, and new ones in place of what it refused.

        Raises LoginError or ToolMissing.
        """
        self._setback.check()
        if self._good and await self.login.holds(self._good):
            return self._good
        self._good, before = None, self.login.held
        found = await self.login.credentials(instead_of=self._refused)
        if found is not before:
            self._fresh = found
        return found

    def accepted(self, used: Credentials) -> None:
        """The server said something else than 401 to these."""
        self._good = used
        self._refused = self._fresh = None
        self._setback.over()

    def refused(self, used: Credentials, error: KfwError) -> bool:
        """The server said 401 to these. Whether it is worth trying again now, with others.

        Once: if those are refused, too, the login has failed for this server, and only for this one.
        """
        if not self.login.renewable:
            return False
        if used is self._refused:  # another connection has heard it before
            return not self._setback.is_on
        self._refused = used
        if self._good is used:
            self._good = None
        if used is not self._fresh:
            return True
        self._setback.begin(error, pause=self.login.asks_somebody)
        self.login.refused(error)
        return False

    def want(self, *, asked_for: bool) -> None:
        """Somebody waits for it now: see Login.want."""
        if self.login.want(asked_for=asked_for):
            self._setback.forgive()

    def try_again(self) -> None:
        """Forget that it failed: something has changed."""
        self._setback.forgive()
        self.login.try_again()

    @property
    def pause(self) -> float:
        """Seconds until it is tried again."""
        return max(self._setback.pause, self.login.pause)

    @property
    def pending(self) -> Problem | None:
        """Why a login is not there yet, while it is on its way; None as long as this server accepts what there is."""
        return None if self._good else self.login.pending

    @property
    def needs_person(self) -> bool:
        """A plugin asks one, or has asked in vain: it is started again for somebody only."""
        return not self._good and self.login.needs_person

    @property
    def asks(self) -> str:
        """What a login plugin says while it waits; "" if it says nothing."""
        return self.login.asks

    @property
    def listeners(self) -> set[Callable[[], None]]:
        """Called when `pending` changes."""
        return self.login.listeners

    @property
    def hint(self) -> str:
        """What the user can do when the server refuses."""
        return self.login.hint
