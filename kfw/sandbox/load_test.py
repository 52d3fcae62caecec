"""Proof by connections: many clients connect again and again while pods are ended, and every answer is counted."""

import asyncio
import http.client
import json
import re
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from kfw.errors import ClusterUnreachable, KfwError
from kfw.sandbox.certs import key_of
from kfw.system.clock import Clock

#: Seconds that one connection may take, from connect to the last byte.
PATIENCE = 10.0
#: Seconds between two connections of one client: a demo shall not be a load test.
PAUSE = 0.01

#: Tells a pod to end and returns its name; None when there was none to be ended just then.
EndPod = Callable[[], Awaitable[str | None]]
#: Seconds for one request to the API.
_REQUEST = 5.0


@dataclass(frozen=True)
class ProvedPort:
    """A port of this machine, and the words that the answer's JSON must hold under `says`."""

    name: str
    port: int
    says: str
    tls: bool = False


@dataclass
class Result:
    """`seconds` of each answered connection; `failures` as sentences; `ended` are the names of pods."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    @property
    def connections(self) -> int:
        return len(self.seconds) + len(self.failures)

    @property
    def slowest(self) -> float:
        return max(self.seconds, default=0.0)

    @property
    def median(self) -> float:
        return sorted(self.seconds)[len(self.seconds) // 2] if self.seconds else 0.0


async def trial(
    places: Sequence[ProvedPort], end_pod: EndPod, *, seconds: float, every: float, clock: Clock | None = None
) -> Result:
    """Connect to all places for `seconds`, and call `end_pod` `every` so many seconds. Raises what `end_pod` raises."""
    result = Result()
    clock = clock or Clock()
    end = clock.monotonic() + seconds
    try:
        async with asyncio.TaskGroup() as group:
            for place in places:
                group.create_task(_client(place, end, clock, result), name=f"client of {place.name}")
            group.create_task(_reaper(end_pod, end, every, clock, result), name="ends pods")
    except ExceptionGroup as several:
        raise several.exceptions[0] from several
    return result


async def _reaper(end_pod: EndPod, end: float, every: float, clock: Clock, result: Result) -> None:
    """The last pod is ended early enough for its successor to be seen."""
    while clock.monotonic() + every <= end:
        if name := await end_pod():
            result.ended.append(name)
        await clock.sleep(every)


async def _client(place: ProvedPort, end: float, clock: Clock, result: Result) -> None:
    while clock.monotonic() < end:
        try:
            result.seconds.append(await once(place))
        except (OSError, TimeoutError, ValueError) as problem:
            result.failures.append(f"{place.name}: {str(problem) or type(problem).__name__}")
        await clock.sleep(PAUSE)


async def once(place: ProvedPort) -> float:
    """One connection, one request; the seconds it took. Raises OSError, TimeoutError, ValueError for a wrong answer."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(PATIENCE):
        await _talk(place)
    return loop.time() - began


async def _talk(place: ProvedPort) -> None:
    context = _trusting_anybody() if place.tls else None
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port, ssl=context)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head, body = await _answer(reader)
    finally:
        writer.close()
    if not head.startswith(b"HTTP/1.1 200"):
        first = head.partition(b"\r\n")[0]
        raise ValueError(f"it answers {first[:40]!r}")
    if (says := json.loads(body).get("says")) != place.says:
        raise ValueError(f"it is {says!r}")


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body, without waiting for the end of the connection: that comes a second late through a tunnel."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as cut:
        return cut.partial, b""
    length = re.search(rb"^content-length: *(\d+)", head, re.I | re.M)
    try:
        return head, await (reader.readexactly(int(length[1])) if length else reader.read())
    except asyncio.IncompleteReadError as cut:
        raise ValueError("its answer is cut off") from cut


def _trusting_anybody() -> ssl.SSLContext:
    """The gateway's certificate is its own, as in the quick start (`curl -k`)."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Remote:
    """`url` is its record's; `directory` holds its certificates. Calls raise ClusterUnreachable, KfwError."""

    def __init__(self, url: str, directory: Path) -> None:
        self._address = urlsplit(url)
        self._tls = ssl.create_default_context(cafile=str(directory / "ca.crt"))
        self._tls.load_cert_chain(directory / "client.crt", key_of(directory / "client.crt"))

    def ready_pods(self, namespace: str, app: str) -> list[str]:
        """Names of the pods with the label app=`app` that are ready and not leaving."""
        found = self._ask("GET", f"/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{quote(app)}")[
            "items"
        ]
        return [pod["metadata"]["name"] for pod in found if _serves(pod)]

    def delete_pod(self, namespace: str, name: str) -> None:
        """As `kubectl delete pod`: with its grace."""
        self._ask("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}")

    def _ask(self, method: str, path: str) -> Any:
        host, port = self._address.hostname or "", self._address.port
        connection = http.client.HTTPSConnection(host, port, context=self._tls, timeout=_REQUEST)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise ClusterUnreachable(
                f"the sandbox does not answer: {problem}", "`kfw sandbox status`"
            ) from problem
        finally:
            connection.close()
        if response.status >= 400:
            raise KfwError(f"the sandbox refuses {method} {path}: {answer.get('message', response.reason)}")
        return answer


def _serves(pod: dict[str, Any]) -> bool:
    ready = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}.get("Ready") == "True"
    return ready and "deletionTimestamp" not in pod["metadata"]
