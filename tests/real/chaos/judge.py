"""What a cell must hold. Pure."""

from tests.real.chaos.cell import Cell

#: Seconds that `active` may be said while every new connection fails.
IN_VAIN = 2.0
#: Seconds that the methods `tunnel` and `nodeport` may be without an answer longer than the bare node port. As many more
#: connections may fail as begin in that time: where one of two nodes is ill, some fail all the time.
WORSE = 1.0
#: MB that the daemon may have grown in a minute under load: its allocator keeps what a burst of connections took. What
#: grows for long is the soak's business.
GROWN = 6.0
#: After hundreds of connections at once, each with buffers.
GROWN_BY_CROWD = 15.0
#: Descriptors, without a client: a child's pipes, a listener more or less.
MORE_FILES = 6
#: Connections to the API server: when it is back, those that wait are dialed for 32 at a time; a link is kept for a minute,
#: and some are kept for the next burst (docs/tunnel.md). That they do not become more and more is the soak's business.
MORE_LINKS = 48
#: Which of two pods a node port takes is chance, so that of the same fault one target has more of it than the other.
CHANCE = 1.25
#: Of new connections in the last seconds, when all is over: a machine that is busy makes some late.
AT_LAST = 0.02


def judge(cell: Cell) -> list[str]:
    """Sentences about what does not hold; none for a rival."""
    return [said for said in _violations(cell) if said] if cell.ours else []


def _violations(cell: Cell) -> list[str]:
    return [
        f"needs a hand: {cell.hand}" if cell.hand else "",
        _failing(cell),
        _in_vain(cell),
        _uncounted(cell),
        _worse(cell),
        _fails_more(cell),
        _grown(cell),
        _more("descriptors open", cell.files_before, cell.files_after, MORE_FILES),
        _more("connections to the API server", cell.links_before, cell.links_after, MORE_LINKS),
    ]


def _failing(cell: Cell) -> str:
    allowed = max(1, AT_LAST * cell.tried_at_last) + 2 * cell.bare_failed_at_last
    if cell.hand or cell.failed_at_last <= allowed:
        return ""
    return f"{cell.failed_at_last} of {cell.tried_at_last} new connections still fail when all is over"


def _in_vain(cell: Cell) -> str:
    if cell.active_in_vain <= IN_VAIN + cell.lag:
        return ""
    return f"says active for {cell.active_in_vain:.1f} s while every new connection fails"


def _uncounted(cell: Cell) -> str:
    if cell.daemon_ended or cell.counted >= cell.lost:
        return ""
    return f"counts {cell.counted} of {cell.lost} lost connections"


def _worse(cell: Cell) -> str:
    if cell.bare_quiet is None or cell.quiet <= cell.bare_quiet + WORSE + cell.lag:
        return ""
    return f"no answer for {cell.quiet:.1f} s, the bare node port for {cell.bare_quiet:.1f} s"


def _fails_more(cell: Cell) -> str:
    if cell.bare_failed is None:
        return ""
    if cell.failed <= CHANCE * cell.bare_failed + (WORSE + cell.lag) * cell.rate:
        return ""
    return f"{cell.failed} new connections failed, of those to the bare node port {cell.bare_failed}"


def _grown(cell: Cell) -> str:
    if cell.rss_after <= cell.rss_before + (GROWN_BY_CROWD if cell.crowd else GROWN):
        return ""
    return f"the daemon grew from {cell.rss_before:.1f} to {cell.rss_after:.1f} MB"


def _more(what: str, before: int, after: int, allowed: int) -> str:
    return "" if after <= before + allowed else f"the daemon has {after} {what}, before {before}"
