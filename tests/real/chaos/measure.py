"""From what the clients saw and what kfw said to the figures of a cell. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from tests.real.chaos.cell import METHODS, Cell
from tests.real.chaos.load import CLOSED, ENDED, REFUSED, SILENT, Attempt, Records

#: Methods whose far side is the app's own connection: who closes it in good order is the app.
TRANSPARENT = ("nodeport", "socat")
#: Seconds after the end of all faults: then it works by itself, or somebody has to do something.
GRACE = 15.0


@dataclass(frozen=True)
class Told:
    """A forward, as the daemon told it at one moment."""

    status: str
    reason: str
    lost: int


@dataclass(frozen=True)
class Sample:
    """`rows` None: the daemon did not answer."""

    at: float
    rows: Mapping[str, Told] | None


@dataclass
class Daemon:
    """`rss` in MB, under load; `files` open without clients, connections to the API server (`links`) left out."""

    rss: float = 0.0
    files: int = 0
    links: int = 0


@dataclass(frozen=True)
class Times:
    """`begin` and `end` are the fault's; `settled`: what fails from then on fails for good, until `over`."""

    start: float
    begin: float
    end: float
    settled: float
    over: float


def measure(
    method: str,
    records: Records,
    samples: Sequence[Sample],
    times: Times,
    *,
    pods_end: bool = False,
    daemon_ended: bool = False,
) -> Cell:
    """Without the fields that are the fault's or the daemon's.

    `pods_end`: apps close connections, in good order, so that a live one that is closed was not lost by anybody.
    """
    mine = [one for one in records.attempts if one.target == method]
    new = sorted((one for one in mine if not one.live), key=lambda one: one.began)
    live = [one for one in mine if one.live]
    failed = [one for one in new if not one.ok]
    last = [one for one in new if times.settled <= one.began < times.over]
    return Cell(
        fault="",
        method=method,
        tried=len(new),
        failed=len(failed),
        refused=sum(one.outcome == REFUSED for one in failed),
        late=sum(one.outcome == SILENT for one in failed),
        quiet=longest_gap(new, times),
        back=back(new, times),
        clean=max(
            (one.began - times.end for one in failed if times.end < one.began < times.over), default=0.0
        ),
        live_lost=sum(one.words > 0 for one in live),
        active_in_vain=active_in_vain(method, new, samples),
        lost=sum(one.outcome in ENDED and not (pods_end and _closed_by_its_app(one)) for one in mine),
        counted=counted(method, samples, daemon_ended=daemon_ended),
        hand=hand(method, last, samples),
        failed_at_last=sum(not one.ok for one in last),
        tried_at_last=len(last),
        lag=max((late for when, late in records.lags if when >= times.begin), default=0.0),
        daemon_ended=daemon_ended,
    )


def _closed_by_its_app(one: Attempt) -> bool:
    """Also one that never had an answer, where the app's own end of file comes through: that is its last word."""
    return one.outcome == CLOSED and (one.words > 0 or one.target in TRANSPARENT)


def longest_gap(new: Sequence[Attempt], times: Times) -> float:
    """Between two answers, from the start to the end."""
    return max(b - a for a, b in _gaps(new, times))


def back(new: Sequence[Attempt], times: Times, least: float = 0.5) -> float:
    """Seconds from the fault's end to the end of the gap (of `least` seconds) that it lies in; 0: in none."""
    return next((b - times.end for a, b in _gaps(new, times) if b - a > least and a <= times.end < b), 0.0)


def _gaps(new: Sequence[Attempt], times: Times) -> Iterator[tuple[float, float]]:
    answers = sorted(one.ended for one in new if one.ok and one.ended <= times.over)
    return pairwise([times.start, *answers, times.over])


def active_in_vain(method: str, new: Sequence[Attempt], samples: Sequence[Sample]) -> float:
    """The longest time for which `active` was said while every connection that began had no answer."""
    spans = list(_active_spans(method, samples))
    return max(
        (
            min(to, until) - max(since, began)
            for since, to in _all_fail(new)
            for began, until in spans
            if began < to and since < until
        ),
        default=0.0,
    )


def _all_fail(new: Sequence[Attempt]) -> Iterator[tuple[float, float]]:
    """From the beginning of the first that failed to that of the first that did not, or of the last one of all."""
    since: float | None = None
    for one in new:
        if one.ok and since is not None:
            yield since, one.began
        since = None if one.ok else one.began if since is None else since
    if since is not None:
        yield since, new[-1].began


def _active_spans(method: str, samples: Sequence[Sample]) -> Iterator[tuple[float, float]]:
    """From the first to the last of samples in a row that tell it; where the daemon does not answer nothing is said."""
    for told, some in groupby(samples, lambda sample: _is_active(method, sample)):
        if told:
            row = list(some)
            yield row[0].at, row[-1].at


def _is_active(method: str, sample: Sample) -> bool:
    return sample.rows is not None and method in sample.rows and sample.rows[method].status == "active"


def counted(method: str, samples: Iterable[Sample], *, daemon_ended: bool) -> int:
    """Losses by kfw's own counter; by the last daemon's alone if there were two."""
    told = [sample.rows[method].lost for sample in samples if sample.rows and method in sample.rows]
    if not told:
        return 0
    return told[-1] - (0 if daemon_ended else told[0])


def hand(method: str, last: Sequence[Attempt], samples: Sequence[Sample]) -> str:
    if not any(one.ok for one in last):
        return "no new connection is answered"
    if method not in METHODS:
        return ""
    rows = samples[-1].rows if samples else None
    if rows is None:
        return "the daemon does not answer"
    told = rows.get(method, Told("gone", "", 0))
    return "" if told.status == "active" else f"it says {told.status} ({told.reason})"
