"""What a login plugin writes: whether it asks a person for something, and which of its lines is the cause.

The texts that this was made for are in tests/kube/test_plugin_output.py.

An output is read as it comes, bounded, and not waited for after the child has ended. It is a pipe, as the child would
have it anywhere else (a memory file lets `echo >/dev/stderr` overwrite what was said before, and grows without end). An
agent that the child leaves behind may hold the other end open for days: nobody waits for it, but somebody reads, so
that it does not die of a broken pipe.
"""

import asyncio
import os
import re
from collections import deque
from collections.abc import Callable
from types import TracebackType

from kfw.printable import printable

#: Characters of a plugin's words that are shown in one sentence.
_LONGEST = 400
#: Lines around a sign-in URL that belong to it.
_BEFORE, _AFTER = 2, 4

_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_URL = re.compile(r"https?://\S+")
_SIGN_IN = re.compile(
    r"(?:^|\W)(?:open|visit|browser|go to|navigate|sign in|device|enter the (?:following )?code|user.?code)\b",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"\b(?:device|one-time|verification|user) code\b|\benter the (?:following )?code\b", re.IGNORECASE
)

#: klog's header of a line of Go: `E1121 07:39:50.484455   31327 azure.go:42] `.
_KLOG = re.compile(r"^[IWEF]\d{4} [\d:.]+\s+\d+ [\w.-]+:\d+\] ")
_TRACEBACK = "Traceback (most recent call last):"

#: What a line is worth as the cause. All that fit are added up.
_WORTH: tuple[tuple[re.Pattern[str], int], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), worth)
    for pattern, worth in (
        (
            r"expired|revoked|denied|unauthori[sz]ed|not authori[sz]ed|forbidden|invalid_grant|AADSTS\d|deadline exceeded"
            r"|timed? ?out|not logged in|no active|NotAuthenticated",
            3,
        ),
        (
            r"\b(?:error|fatal|panic|fail(?:ed|ure)?|exception|refused|cannot|can't|could not|unable|not found|no such"
            r"|does not exist|do(?:es)? not (?:currently )?have|required|missing|invalid|unknown|must)\b",
            2,
        ),
        (r"^(?:[\w.]*error|fatal|panic|exception in thread .*)\b", 1),
        (r"^[\w.]+(?:Error|Exception)\b", 1),
        (
            r"^(?:warn|debug|info|usage|hint|note|flags?:|caused by)|deprecat|^-{1,2}\w|^\[?(?:WARNING|DEBUG|INFO)\b",
            -4,
        ),
        (
            r"^(?:at |goroutine |created by |File \"|exit status \d+$|\$ |[~^ ]+$|throw |raise |\w+\.go:\d+)",
            -6,
        ),
        (r"^(?:please|to re-?authenticate|to (?:obtain|refresh|log ?in)|try |run )", -3),
    )
)
_WHAT_TO_DO = re.compile(
    r"^(?:please|to re-?authenticate|to (?:refresh|log ?in)|run |try running|\$ )|\b(?:please|then) (?:run|log ?in|use)\b"
    r"|^\(?hint:",
    re.IGNORECASE,
)
_PIECE = 64 << 10
#: So many pipes of agents are read on; the oldest is closed for another.
_AGENTS = 8
_read_on: "deque[Output]" = deque()


def lines_of(said: bytes) -> list[str]:
    """Without blank ones, colours and what a progress bar has overwritten; control characters are escaped."""
    text = _ESCAPE_SEQUENCE.sub("", said.decode(errors="replace"))
    rows = (row.rstrip("\r").rpartition("\r")[2] for row in text.split("\n"))
    return [printable(row.expandtabs(8)) for row in rows if row.strip()]


def asks_a_person(lines: list[str]) -> bool:
    """It wants somebody to open a page, or to type a code in."""
    return any(_CODE.search(line) for line in lines) or (
        any(_URL.search(line) for line in lines) and any(_SIGN_IN.search(line) for line in lines)
    )


def request(lines: list[str]) -> str:
    """What a person must read while it waits: the last URL with what is said about it, else its last lines."""
    urls = [number for number, line in enumerate(lines) if _URL.search(line)]
    part = lines[max(urls[-1] - _BEFORE, 0) : urls[-1] + _AFTER + 1] if urls else lines[-3:]
    text = " ".join(line.strip() for line in part)
    url = _URL.search(text)
    if len(text) <= _LONGEST or url is None:
        return text[:_LONGEST]
    begin = max(min(url.start() - 100, len(text) - _LONGEST), 0)  # a URL is never cut at its beginning
    return text[begin : max(begin + _LONGEST, url.end())]


def cause(lines: list[str]) -> str:
    """The line that says why it failed, and what the plugin says to do about it; "" if it said nothing."""
    found = _last_of_traceback(lines)
    if found is None:
        found = _worthiest(lines)
    if found is None:
        return _cut("; ".join(line.strip() for line in lines[-3:]))
    parts = [_KLOG.sub("", lines[found].strip()), *_what_to_do(lines, found)]
    return _cut("; ".join(parts))


def _worthiest(lines: list[str]) -> int | None:
    """Of equals the last."""
    worth = [_worth(line.strip()) for line in lines]
    best = max(worth, default=0)
    return max(number for number, one in enumerate(worth) if one == best) if best > 0 else None


def _worth(line: str) -> int:
    text = _KLOG.sub("", line)
    return sum(worth for pattern, worth in _WORTH if pattern.search(text))


def _last_of_traceback(lines: list[str]) -> int | None:
    """Python's last word: the first line behind the last traceback that is not indented."""
    begins = [number for number, line in enumerate(lines) if line.strip() == _TRACEBACK]
    if not begins:
        return None
    behind = (number for number in range(begins[-1] + 1, len(lines)) if not lines[number].startswith(" "))
    return next(behind, None)


def _what_to_do(lines: list[str], found: int) -> list[str]:
    """`Please run:` with the command below it, one of the next lines."""
    for number in range(found + 1, min(found + 5, len(lines))):
        line = lines[number].strip()
        if _WHAT_TO_DO.search(line) and line not in lines[found]:
            following = lines[number + 1 : number + 2] if line.endswith(":") else []
            return [" ".join((line, *(one.strip() for one in following)))]
    return []


def _cut(text: str) -> str:
    """Of a chain of causes both ends tell most."""
    return text if len(text) <= _LONGEST else f"{text[:250]} … {text[-140:]}"


class Output:
    """`data`: the last `keep` bytes of it. `too_much` is done when more than `limit` bytes came.

    `told` is called with `data` whenever more has come. A context manager: it must be entered and left.
    """

    def __init__(self, keep: int, limit: int, told: Callable[[bytes], None] | None = None) -> None:
        """Raises OSError (EMFILE)."""
        self.data = b""
        self._loop = asyncio.get_running_loop()
        self.too_much: asyncio.Future[None] = self._loop.create_future()
        self._keep = keep
        self._left = limit
        self._told = told
        self._ours, self.theirs = os.pipe()
        os.set_blocking(self._ours, False)
        self._open = True
        self._given = False
        self._finished = False
        self._loop.add_reader(self._ours, self._on_readable)

    def __enter__(self) -> "Output":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.given()
        if not self._finished:
            self.close()

    def given(self) -> None:
        """The child has its end, or there will be none."""
        if not self._given:
            self._given = True
            os.close(self.theirs)

    def finish(self, *, left_behind: bool) -> None:
        """The child has ended: take what it wrote last. `left_behind`: an agent of it may write on, and shall."""
        self._finished = True
        while self._open and self._left > 0 and self._read():
            pass
        self._told = None
        self._keep = 0
        if self._open and left_behind:
            _read_on.append(self)
            if len(_read_on) > _AGENTS:
                _read_on[0].close()
        else:
            self.close()

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._ours)
            os.close(self._ours)
        if self in _read_on:
            _read_on.remove(self)

    def _on_readable(self) -> None:
        self._read()

    def _read(self) -> bool:
        """False: there is nothing to read now, or never again."""
        try:
            piece = os.read(self._ours, _PIECE)
        except BlockingIOError:
            return False
        if not piece:
            self.close()
            return False
        if not self._keep:
            return True  # an agent's
        self._left -= len(piece)
        self.data = (self.data + piece)[-self._keep :]
        if self._left < 0 and not self.too_much.done():
            self.too_much.set_result(None)
        if self._told:
            self._told(self.data)
        return True
