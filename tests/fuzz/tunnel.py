"""Port-forwards: what comes instead of the upgrade, and after it: frames of SPDY and WebSocket, changed and made up."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random

from kfw.errors import KfwError
from kfw.kube.api_server import ApiServer
from kfw.kubeconfig.entries import UserEntry
from kfw.methods.base import OpenRequest
from kfw.methods.tunnel.method import PodTunnel, TunnelMethod
from kfw.secret import Secret
from kfw.wire import upgrade
from tests.fakes import forward
from tests.fuzz import memory, values
from tests.fuzz.area import Area, Case, Finding
from tests.kube import certificates
from tests.kube.test_api_server import serves
from tests.methods.tunnel import nonsense
from tests.methods.tunnel.far import App, Far, Visit, far_side
from tests.methods.tunnel.test_transports import only
from tests.methods.tunnel.ways import UNASKED, Client, Servers, pods, server

_WAYS = {upgrade.SPDY: nonsense.spdy, upgrade.TUNNEL: nonsense.websocket}
_PODS = ("web-1", "web-2", "web-3")
#: Connections of one case; seconds for all of them to end once the far side is gone, and for the tunnel to open or fail.
_AT_ONCE, _ENDS, _OPENS = 6, 8.0, 15.0
#: Bytes that one case may make kfw hold for a while.
_PEAK = 96 << 20


class Tunnel(Area):
    name = "tunnel"
    limit = 60.0

    async def case(self, case: Case) -> None:
        random, way = case.random, case.random.choice(list(_WAYS))
        encrypted = random.random() < 0.3
        before = memory.reset_peak()
        async with far_side(serves("127.0.0.1") if encrypted else None, answers=only(way)) as far:
            for pod in _PODS:
                _spoil(far, pod, way, Random(random.getrandbits(64)))
            ca = certificates.ca() if encrypted else b""
            at = server(far, UserEntry("ada", token=Secret(f"tok-{case.mark}")), ca=ca)
            opened = await _opened(case, at)
            if opened is not None:
                await _used(case, far, opened)
        if (most := memory.peak() - before) > _PEAK:
            raise Finding(f"a port-forward makes kfw hold {most >> 20} MB")


async def _opened(case: Case, at: ApiServer) -> PodTunnel | None:
    wanted = forward("web", hold=2.0, health=UNASKED)
    try:
        async with asyncio.timeout(_OPENS):
            return await TunnelMethod(Servers(at)).open(OpenRequest(wanted, pods(*_PODS), sticky=False))
    except KfwError as error:
        case.must_not_show("an error about a tunnel", f"{error.what}\n{error.fix}\n{error!r}")
        if len(error.what) > 2000:
            raise Finding(f"an error about a tunnel has {len(error.what)} characters") from error
    except TimeoutError as error:
        raise Finding(f"a tunnel neither opens nor fails within {_OPENS:g} s") from error
    return None


async def _used(case: Case, far: Far, opened: PodTunnel) -> None:
    clients = [Client() for _ in range(_AT_ONCE)]
    try:
        for one in clients:
            with suppress(KfwError):
                async with asyncio.timeout(_OPENS):
                    await opened.dial(lambda one=one: one)
                    one.say(b"hello")
        await asyncio.sleep(case.random.choice((0.05, 0.3)))
    finally:
        await far.stop()
        async with asyncio.timeout(_ENDS):
            await opened.close()
    for one in clients:
        for error in one.lost:
            case.must_not_show("why a connection ended", f"{error!r}")


# -- what the far side does


def _spoil(far: Far, pod: str, way: str, random: Random) -> None:
    match random.randrange(6):
        case 0:
            far.says[pod] = _no_upgrade(random)
        case 1:
            far.hangs.add(pod)
        case 2:
            pass  # it is well, and echoes
        case _:
            far.apps[pod] = _app(way, random)


def _no_upgrade(random: Random) -> bytes:
    if random.random() < 0.5:
        return nonsense.HTTP(random)
    good = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n"
    good += b"X-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n"
    return values.bytes_changed(random, good, random.randrange(1, 5)) + random.randbytes(
        random.choice((0, 50))
    )


def _app(way: str, random: Random) -> App:
    """It says something wrong, or something right that was changed on its way, once or after each piece that it hears."""

    def said() -> bytes:
        bad = _WAYS[way](random)
        match random.randrange(4):
            case 0:
                return bad
            case 1:
                return values.bytes_changed(random, bad, random.randrange(1, 4))
            case 2:
                return values.bytes_changed(
                    random, nonsense.good_spdy(random) or b"\x80", random.randrange(3)
                )
            case _:
                return random.randbytes(random.choice((1, 30, 3000)))

    after: Callable[[Visit], None] = random.choice(
        (lambda visit: None, lambda visit: visit.tunnel.abort(), Visit.close)
    )

    def spoil(visit: Visit, heard: bytes = b"") -> None:
        with suppress(Exception):  # the far side's own codec may be past it
            (visit.tunnel.send if random.random() < 0.5 else visit.tunnel.writer.write)(said())
            after(visit)

    if random.random() < 0.5:
        return App(came=spoil)
    return App(heard=spoil)
