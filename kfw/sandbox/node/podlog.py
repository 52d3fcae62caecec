"""What a pod said, and who reads it: `kubectl logs`, with -f, --tail, --since, --timestamps, --limit-bytes."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from itertools import islice

from kfw.sandbox.objects import rfc3339_micro, seconds_of

#: Lines kept for each pod.
LINES = 1000


class PodLog:
    def __init__(self) -> None:
        self._lines: deque[tuple[float, str]] = deque(maxlen=LINES)
        self._count = 0  # of all lines ever
        self._changed = asyncio.Event()
        self._ended = False

    def say(self, time: float, line: str) -> None:
        self._lines.append((time, line))
        self._count += 1
        self._wake()

    def end(self) -> None:
        """Nothing more will be said: readers that follow get their end."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def read(self, query: Mapping[str, str], now: float) -> AsyncGenerator[bytes, None]:
        """`query` is that of a request for pods/log; `now` in seconds since 1970."""
        since = _since(query, now)
        stamps = query.get("timestamps") == "true"
        left = int(query["limitBytes"]) if "limitBytes" in query else None
        seen = self._count
        lines = [one for one in self._lines if one[0] >= since]
        if "tailLines" in query:
            lines = lines[max(0, len(lines) - int(query["tailLines"])) :]
        while True:
            data = b"".join(_shown(time, line, stamps=stamps) for time, line in lines)
            if left is not None:
                data, left = data[:left], left - len(data[:left])
            if data:
                yield data
            if query.get("follow") != "true" or self._ended or left == 0:
                return
            if seen == self._count:
                await self._changed.wait()
            fresh = min(self._count - seen, len(self._lines))
            lines = list(islice(self._lines, len(self._lines) - fresh, None))
            seen = self._count


def _since(query: Mapping[str, str], now: float) -> float:
    if "sinceTime" in query:
        return seconds_of(query["sinceTime"])
    return now - float(query["sinceSeconds"]) if "sinceSeconds" in query else 0.0


def _shown(time: float, line: str, *, stamps: bool) -> bytes:
    return (f"{rfc3339_micro(time)} {line}\n" if stamps else f"{line}\n").encode()
