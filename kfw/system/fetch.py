"""One GET over HTTP or HTTPS, bounded in size and in time as a whole, for commands.

urllib is imported when something is asked for.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kfw.errors import KfwError, TimedOut, words_of

if TYPE_CHECKING:
    import ssl

_CHUNK = 65536


@dataclass(frozen=True)
class Fetched:
    """Any status but 3xx that leads elsewhere; 304 is one. `headers` by their names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FetchBounds:
    """`seconds` for all of it, `size` in bytes. `schemes`: of the address, and of each that it redirects to; `redirects`:
    how many are followed. `proxies`: whether those of the environment are used."""

    seconds: float
    size: int
    schemes: tuple[str, ...] = ("https",)
    redirects: int = 3
    proxies: bool = True


def fetch(
    url: str,
    bounds: FetchBounds,
    headers: Mapping[str, str] | None = None,
    trusted: "ssl.SSLContext | None" = None,
) -> Fetched:
    """`trusted` None: this machine's CAs. Raises KfwError (TimedOut) when there is no answer, or one beyond the bounds."""
    scheme, host = _parts(url)
    if scheme not in bounds.schemes:
        raise KfwError(f"{url} is not an address that begins with {' or '.join(bounds.schemes)}://")
    answers: list[Fetched | Exception] = []

    def run() -> None:
        try:
            answers.append(_ask(url, bounds, headers or {}, trusted))
        except Exception as error:  # noqa: BLE001  it is raised where it is waited for
            answers.append(error)

    # urllib's own time-out is of each read: only a thread that nobody waits for any more bounds the whole.
    thread = threading.Thread(target=run, name="fetch", daemon=True)
    thread.start()
    thread.join(bounds.seconds)
    answer = answers[0] if answers else TimeoutError()
    if isinstance(answer, KfwError):
        raise answer
    if isinstance(answer, Exception):
        cause = _cause(answer)
        if isinstance(cause, TimeoutError):
            raise TimedOut(f"{host} did not answer within {bounds.seconds:g} s") from answer
        raise KfwError(f"cannot ask {host}: {words_of(cause)}") from answer
    return answer


def _parts(url: str) -> tuple[str, str]:
    """Scheme and host:port, without name and password. Raises KfwError."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise KfwError(f"{url} is not a valid URL: {error}") from error
    return parts.scheme, f"{parts.hostname or ''}{port}"


def _cause(error: Exception) -> Exception:
    reason = getattr(error, "reason", None)  # of urllib's URLError
    return reason if isinstance(reason, Exception) else error


def _ask(
    url: str, bounds: FetchBounds, headers: Mapping[str, str], trusted: "ssl.SSLContext | None"
) -> Fetched:
    import urllib.error
    import urllib.request

    from kfw.system.trust import system_trust

    class _Redirects(urllib.request.HTTPRedirectHandler):
        max_redirections = max_repeats = bounds.redirects

        def redirect_request(
            self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
        ) -> urllib.request.Request | None:
            scheme, host = _parts(newurl)
            if not bounds.redirects or scheme not in bounds.schemes:
                fp.close()
                raise KfwError(f"{_parts(url)[1]} redirects to {scheme}://{host}, which is not followed")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    proxies = urllib.request.ProxyHandler() if bounds.proxies else urllib.request.ProxyHandler({})
    trusts = trusted or (system_trust() if "https" in bounds.schemes else None)
    tls = urllib.request.HTTPSHandler(context=trusts)
    opener = urllib.request.build_opener(proxies, _Redirects(), tls)
    request = urllib.request.Request(url, headers={"User-Agent": "kfw", **headers})
    try:
        response = opener.open(request, timeout=bounds.seconds)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        read = partial(response.read, _CHUNK)
        body = bytearray()
        while part := read():
            body += part
            if len(body) > bounds.size:
                raise KfwError(f"the answer of {_parts(url)[1]} is larger than {bounds.size} bytes")
        if getattr(response, "length", 0):  # it reads what is there, and does not say that more was promised
            raise KfwError(f"the answer of {_parts(url)[1]} was cut off after {len(body)} bytes")
        given = {name.lower(): text for name, text in response.headers.items()}
        return Fetched(response.status, bytes(body), given)
