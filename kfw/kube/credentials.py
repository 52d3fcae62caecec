"""What is sent with each request, and how it is made of a kubeconfig's entry: its texts, and the files that it names.

A file (a token, a certificate, a key, a CA) is read again when it may have changed.
"""

import asyncio
import base64
import logging
from dataclasses import dataclass, field

from kfw.errors import LoginError, words_of
from kfw.kube.api_errors import call_words
from kfw.kube.tls import ClientCertificate
from kfw.kubeconfig.entries import Pem, UserEntry
from kfw.model import Reason
from kfw.secret import Secret, reveal
from kfw.system.files import read_outside
from kfw.system.open_files import is_shortage, shortage_of
from kfw.wire.upgrade import header_fault, is_header_name

log = logging.getLogger(__name__)

#: Seconds that what was read counts as what is there, so that a hundred dials at once read it once.
LIFE = 1.0
#: An entry that no header can hold is not a login that has expired: only the kubeconfig helps.
_STATIC = Reason.BAD_CONFIG.value


class OutsideFile:
    """Content that is inline is never read; of a file the last good content serves while reading it fails.

    The content is compared, not the file's time: it may be renewed in place within one tick of the clock.
    """

    def __init__(self, source: Pem) -> None:
        self._source = source
        self._content: bytes | None = source.data
        self._read_at = float("-inf")
        self._complained = False

    @property
    def is_file(self) -> bool:
        return self._source.data is None and self._source.file is not None

    async def read(self) -> bytes:
        """b"" where nothing is named. Off the event loop and bounded. Raises OSError if it has never been read."""
        if not self.is_file or self._is_fresh():
            return self._content or b""
        assert self._source.file
        try:
            self._content = await read_outside(self._source.file)
        except OSError as error:
            if self._content is None:
                raise
            self._complain(error)
        else:
            self._complained = False
        self._read_at = asyncio.get_running_loop().time()
        return self._content

    def forget_age(self) -> None:
        """The next `read` looks at the file, however soon it comes."""
        self._read_at = float("-inf")

    def _is_fresh(self) -> bool:
        return self._content is not None and asyncio.get_running_loop().time() - self._read_at < LIFE

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            log.warning(
                "cannot read %s now: %s; its last content stays in use", self._source.file, words_of(error)
            )


@dataclass(frozen=True)
class Credentials:
    """`headers` as they are sent; what is secret in them is a Secret."""

    headers: tuple[tuple[str, str], ...] = ()
    certificate: ClientCertificate | None = None
    #: Wall clock, seconds: from then on they are to be renewed.
    ends: float = field(default=float("inf"), compare=False)
    #: The contents of the files of the entry.
    made_of: tuple[bytes, ...] = field(default=(), compare=False, repr=False)


class EntryCredentials:
    """A user of a kubeconfig. Files are read when they are needed; see OutsideFile."""

    def __init__(self, user: UserEntry) -> None:
        self.user = user
        self._token = OutsideFile(Pem(file=user.token_file or None))
        self._files = (self._token, OutsideFile(user.certificate), OutsideFile(user.key))

    @property
    def is_from_files(self) -> bool:
        return any(file.is_file for file in self._files)

    async def contents(self) -> tuple[bytes, ...]:
        """Of the files, as they are now: token, certificate and key. Raises OSError.

        A token that stands beside its file serves while that cannot be read, as in client-go.
        """
        read = list[bytes]()
        for file in self._files:
            try:
                read.append(await file.read())
            except OSError:
                if file is not self._token or not self.user.token:
                    raise
                read.append(b"")
        return tuple(read)

    def look_again(self) -> None:
        """The files are read by the next `contents`, however soon it comes."""
        for file in self._files:
            file.forget_age()

    async def credentials(self) -> Credentials:
        """Raises LoginError and Shortage."""
        user = self.user
        try:
            made_of = await self.contents()
        except OSError as error:
            if is_shortage(error):
                raise shortage_of(f"cannot read the credentials of user {user.name}", error) from error
            raise LoginError(
                f"cannot read the credentials of user {user.name}: {call_words(error)}", self._fix
            ) from error
        token, certificate, key = made_of
        presented = ClientCertificate(certificate, key) if user.certificate else None
        return Credentials((*self._authorization(token), *self.impersonation()), presented, made_of=made_of)

    def impersonation(self) -> tuple[tuple[str, str], ...]:
        """As it stands in the kubeconfig. Raises LoginError if no header can hold it."""
        user = self.user
        for name, value in user.impersonate:
            what = f"{name} of user {user.name} in {user.file}"
            check_header(value, what, self._fix, reason=_STATIC)
            if not is_header_name(name):
                raise LoginError(f"{what} is not the name of a header", self._fix, reason=_STATIC)
        return user.impersonate

    def _authorization(self, token_file: bytes) -> tuple[tuple[str, str], ...]:
        """A token file wins over a token that is written beside it, as in client-go."""
        user = self.user
        text = token_file.decode(errors="surrogateescape").strip()
        if text:
            token = Secret(text)
            what = f"the token of user {user.name} in {user.token_file}"
            check_header(token, what, f"put a valid token into {user.token_file}")
            return (bearer(token),)
        if user.token:
            check_header(
                user.token, f"the token of user {user.name} in {user.file}", self._fix, reason=_STATIC
            )
            return (bearer(user.token),)
        if user.username:
            pair = base64.b64encode(f"{user.username}:{reveal(user.password)}".encode()).decode()
            return (("Authorization", Secret(f"Basic {pair}")),)
        return ()

    @property
    def _fix(self) -> str:
        return f"fix user {self.user.name} in {self.user.file}"


def bearer(token: str) -> tuple[str, Secret]:
    return "Authorization", Secret(f"Bearer {reveal(token)}")


def check_header(value: str, what: str, fix: str, *, reason: str | None = None) -> None:
    """Raises LoginError for what no header can hold, without showing it."""
    if fault := header_fault(value):
        raise LoginError(f"{what} contains {fault}, which cannot be sent", fix, reason=reason)
