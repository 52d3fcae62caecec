"""Hops asked one after the other, each for so long at most, until the first fault."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from kfw.doctor.hops import HOPS, Hop, Scope, Section, fault_of
from kfw.errors import KfwError, TimedOut
from kfw.quickstart.checks import Finding, first_error

#: What it has found: at least one finding. Raises KfwError, which is the fault.
HopCheck = Callable[[], Awaitable[Sequence[Finding]]]
#: (the name of the cluster or forward, the hop): it is asked now.
OnHop = Callable[[str, Hop], None]


async def ask_in_order(scope: Scope, name: str, checks: Mapping[Hop, HopCheck], on_hop: OnHop) -> Section:
    hops = [hop for hop in HOPS if hop in checks]
    found: list[Finding] = []
    for number, hop in enumerate(hops, 1):
        on_hop(name, hop)
        said = await _ask(hop, checks[hop])
        found += said
        if first_error(said):
            return Section(scope, name, tuple(found), tuple(hops[number:]))
    return Section(scope, name, tuple(found))


async def _ask(hop: Hop, check: HopCheck) -> Sequence[Finding]:
    limit = HOPS[hop].seconds
    try:
        async with asyncio.timeout(limit):
            return await check()
    except KfwError as why:
        return [fault_of(hop, why)]
    except TimeoutError:
        what = f"{HOPS[hop].doing} takes more than {limit:g} s"
        return [fault_of(hop, TimedOut(what, "try again; if it happens again, find out what is slow there"))]
