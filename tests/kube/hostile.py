"""API servers that misbehave: one function or expression for each way, in one table, MODES.

By hand: `python -m tests.kube.hostile MODE` starts a sandbox with such a server before it, and prints a kubeconfig;
return turns it good. `python -m tests.kube.hostile` lists the modes.
"""

import asyncio
import base64
import json
import ssl
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.kube import certificates
from tests.kube.interposer import Interposer, Mode, Request, Serve, Talk, Upstream

Answer = Callable[[Talk, Request], Awaitable[None]]

HTML = b"<!DOCTYPE html>\n<html><head><title>Welcome to our guest network</title></head><body>Log in</body></html>"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
DEEP = b"[" * 100_000 + b"]" * 100_000


async def passes(talk: Talk, request: Request) -> None:
    await talk.pass_on(request)


def to(
    *, lists: Answer = passes, watches: Answer = passes, version: Answer = passes, upgrades: Answer = passes
) -> Serve:
    """Misbehaves to these requests only."""

    async def serve(talk: Talk) -> None:
        while request := await talk.request():
            if request.is_version:
                await version(talk, request)
            elif request.is_upgrade:
                await upgrades(talk, request)
            else:
                await (watches if request.is_watch else lists)(talk, request)

    return serve


def to_all(answer: Answer) -> Serve:
    return to(lists=answer, watches=answer, version=answer, upgrades=answer)


# -- answers


def says(status: int, body: Any = b"", headers: str = "", *, kind: str = "application/json") -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def answer(talk: Talk, request: Request) -> None:
        await talk.answer(status, data, headers, kind=kind)

    return answer


def refuses(code: int, reason: str, message: str, **details: Any) -> Answer:
    return says(
        code, {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}
    )


def writes(*pieces: bytes) -> Answer:
    """These bytes, then it closes."""

    async def answer(talk: Talk, request: Request) -> None:
        await talk.say(*pieces)
        raise EOFError

    return answer


def streams(*lines: Any) -> Answer:
    """A watch that brings these, and stays open."""

    async def answer(talk: Talk, request: Request) -> None:
        texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        await talk.chunks(*(text + b"\n" for text in texts), end=False)
        await talk.silence()

    return answer


def for_ever(head: bytes, piece: bytes, pause: float = 0.0) -> Answer:
    async def answer(talk: Talk, request: Request) -> None:
        await talk.say(head)
        while True:
            await talk.say(piece)
            await asyncio.sleep(pause)

    return answer


async def silent(talk: Talk, request: Request) -> None:
    await talk.silence()


async def closes(talk: Talk, request: Request) -> None:
    raise EOFError


async def resets(talk: Talk, request: Request) -> None:
    talk.reset()
    raise EOFError


def listed(*items: Any, **meta: str) -> Any:
    return {"kind": "List", "metadata": {"resourceVersion": "1", **meta}, "items": list(items)}


def named(name: str, **meta: Any) -> Any:
    return {"metadata": {"name": name, "resourceVersion": "5", **meta}}


async def _pages_without_end(talk: Talk, request: Request) -> None:
    token = request.target.count("x") + 1
    await talk.answer(200, json.dumps(listed(**{"continue": "x" * (token % 1000)})).encode())


async def _new_objects_without_end(talk: Talk, request: Request) -> None:
    begins = int(request.target.partition("continue=")[2] or 0)
    items = [named(f"a-{begins + number}") for number in range(250)]
    await talk.answer(200, json.dumps(listed(*items, **{"continue": str(begins + 250)})).encode())


async def _a_million(talk: Talk, request: Request) -> None:
    item = b'{"metadata":{"name":"a"}}'
    await talk.say(CHUNKED)
    await talk.chunk(b'{"metadata":{},"items":[' + item)
    for _ in range(100):
        await talk.chunk((b"," + item) * 10_000)
    await talk.chunk(b"]}")
    await talk.say(b"0\r\n\r\n")


async def _large_labels(talk: Talk, request: Request) -> None:
    """Each page is within bounds, and they are many."""
    begins = int(request.target.partition("continue=")[2] or 0)
    labels = {f"l-{begins}-{number}": "x" * 1000 for number in range(100)}
    items = [named(f"a-{begins + number}", labels=labels) for number in range(20)]
    await talk.answer(200, json.dumps(listed(*items, **{"continue": str(begins + 20)})).encode())


# -- connections


def first(act: Callable[[Talk], Awaitable[None]]) -> Serve:
    """Before anything has been asked."""
    return act


async def _says_nothing(talk: Talk) -> None:
    await talk.silence()


async def _closes_at_once(talk: Talk) -> None:
    return


async def _resets_at_once(talk: Talk) -> None:
    talk.reset()


async def _greets(talk: Talk) -> None:
    await talk.say(b"220 mail.example.com ESMTP ready\r\n")
    await talk.request()


async def _is_plain(talk: Talk) -> None:
    """To a client that speaks TLS."""
    await talk.reader.read(1)
    await talk.say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await asyncio.sleep(0.2)


async def _half_a_handshake(talk: Talk) -> None:
    await talk.reader.read(1)
    await talk.say(b"\x16\x03\x03\x00\x7a")  # a handshake record of 122 bytes, which do not come
    await talk.silence()


async def _old_tls(talk: Talk) -> None:
    """A server that knows TLS 1.0 only: alert protocol_version, fatal (RFC 8446 section 6)."""
    await talk.reader.read(1)
    await talk.say(b"\x15\x03\x01\x00\x02\x02\x46")
    await asyncio.sleep(0.2)


def https(*hosts: str, **faults: bool) -> Mode:
    def context() -> Any:
        return certificates.server_context(certificates.pair("hostile", *hosts, **faults))

    return Mode(lambda talk: talk.pass_on(), is_https=True, tls=context)


def event(kind: str, one: Any) -> Any:
    return {"type": kind, "object": one}


BUSY = partial(refuses, 429, "TooManyRequests", "slow down")
BOOKMARK = (
    json.dumps(event("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "9"}})).encode() + b"\n"
)
NOISE = json.dumps(event("ADDED", named("noise"))).encode() + b"\n"
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    b"X-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n"
)

MODES: dict[str, Mode] = {
    # the connection
    "closed-port": Mode(_closes_at_once, listens=False),
    "accepts-and-says-nothing": Mode(_says_nothing, keeps_dead=True),
    "closes-at-once": Mode(_closes_at_once),
    "resets-at-once": Mode(_resets_at_once),
    "greets-as-a-mail-server": Mode(_greets),
    # TLS
    "plain-where-tls-is-spoken": Mode(_is_plain, is_https=True),
    "tls-where-plain-is-spoken": Mode(to_all(writes(b"\x15\x03\x03\x00\x02\x02\x46"))),
    "half-a-tls-handshake": Mode(_half_a_handshake, is_https=True, keeps_dead=True),
    "tls-1.0-only": Mode(_old_tls, is_https=True),
    "certificate-expired": https("127.0.0.1", expired=True),
    "certificate-of-another-name": https("elsewhere.example.com"),
    "certificate-signed-by-itself": https("127.0.0.1", self_signed=True),
    # requests without an answer
    "closes-every-request": Mode(to_all(closes)),
    "resets-every-request": Mode(to_all(resets)),
    "closes-all-but-version": Mode(to(lists=closes, watches=closes)),
    "resets-all-but-version": Mode(to(lists=resets, watches=resets)),
    "silent-but-for-version": Mode(to(lists=silent, watches=silent)),
    "silent-to-all": Mode(to_all(silent), keeps_dead=True),
    "silent-to-version": Mode(to(version=silent)),
    "watches-closed": Mode(to(watches=closes), harmless=True),
    "watches-silent": Mode(to(watches=silent), harmless=True),
    # statuses
    "401": Mode(to(lists=refuses(401, "Unauthorized", "Unauthorized"))),
    "403": Mode(to(lists=refuses(403, "Forbidden", "you are not Ada"))),
    "404": Mode(to(lists=refuses(404, "NotFound", "the server could not find the requested resource"))),
    "500": Mode(to(lists=refuses(500, "InternalError", "etcdserver: no leader"))),
    "503-from-a-gateway": Mode(to_all(says(503, b"no healthy upstream", kind="text/plain"))),
    "502-as-a-web-page": Mode(to_all(says(502, HTML, kind="text/html"))),
    "429-for-a-long-time": Mode(to(lists=BUSY(retryAfterSeconds=10**18))),
    "429-for-a-negative-time": Mode(to(lists=BUSY(retryAfterSeconds=-1))),
    "429-for-no-number": Mode(to(lists=BUSY(retryAfterSeconds=[{}]))),
    "429-until-a-date": Mode(
        to(lists=says(429, b"later", "Retry-After: Wed, 21 Oct 2099 07:28:00 GMT\r\n", kind="text/plain"))
    ),
    "301": Mode(to(lists=says(301, b"", "Location: https://elsewhere.example.com/?token=x\r\n"))),
    "302-for-everything": Mode(to_all(says(302, HTML, "Location: http://login.example.com/\r\n"))),
    "an-error-of-100-kb": Mode(to(lists=says(500, b"x" * 100_000, kind="text/plain"))),
    "an-error-with-control-characters": Mode(to(lists=refuses(500, "x", "\x1b[2J\x00\r\nfake line"))),
    "204": Mode(to(lists=says(204))),
    # HTTP
    "http-0.9": Mode(to_all(writes(b'{"kind":"PodList","metadata":{},"items":[]}'))),
    "http-1.0-without-a-length": Mode(
        to(version=writes(b'HTTP/1.0 200 OK\r\n\r\n{"major":"1"}')), harmless=True
    ),
    "a-head-without-end": Mode(
        to(lists=for_ever(b"HTTP/1.1 200 OK\r\n", b"X-Bomb: " + b"x" * 1000 + b"\r\n")), storm=True
    ),
    "100-continue-without-end": Mode(
        to(lists=for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)), storm=True
    ),
    "103-now-and-then": Mode(to(lists=for_ever(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.5))),
    "101-unasked": Mode(
        to(lists=writes(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\nxx"))
    ),
    "chunks-that-are-no-chunks": Mode(to(lists=writes(CHUNKED, b"zz\r\nnonsense\r\n"))),
    "a-chunk-of-16-exabytes": Mode(to(lists=writes(CHUNKED, b"fffffffffffffff\r\n{"))),
    "an-end-in-the-middle": Mode(
        to(lists=writes(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b'{"metadata":'))
    ),
    "two-lengths": Mode(
        to(lists=writes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"))
    ),
    "compressed-unasked": Mode(to(lists=says(200, b"\x1f\x8b\x08\x00", "Content-Encoding: gzip\r\n"))),
    "a-head-at-one-byte-a-second": Mode(to(lists=for_ever(b"HTTP/1.1 200 OK\r\n", b"X", 1.0))),
    "a-body-at-one-byte-a-second": Mode(
        to(lists=for_ever(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b" ", 1.0))
    ),
    "everything-at-one-byte-a-second": Mode(to_all(for_ever(b"HTTP/1.1 200 OK\r\n", b"X", 1.0))),
    # bodies
    "an-empty-body": Mode(to(lists=says(200))),
    "null": Mode(to(lists=says(200, b"null"))),
    "a-web-page": Mode(to(lists=says(200, HTML, kind="text/html"))),
    "a-web-page-for-everything": Mode(to_all(says(200, HTML, kind="text/html"))),
    "no-text": Mode(to(lists=says(200, b'{"metadata":{"resourceVersion":"\xff\xfe"},"items":[]}'))),
    "another-kind": Mode(to(lists=says(200, {"kind": "Status", "metadata": {}, "code": 200}))),
    "wrong-types": Mode(to(lists=says(200, {"metadata": {"resourceVersion": []}, "items": 7}))),
    "json-1000-deep": Mode(to(lists=says(200, b'{"metadata":{},"items":' + DEEP + b"}"))),
    "objects-without-names": Mode(to(lists=says(200, listed({"metadata": {}}, {"metadata": {"name": ""}})))),
    "a-name-of-a-megabyte": Mode(to(lists=says(200, listed(named("x" * 1_000_000))))),
    "a-version-of-a-megabyte": Mode(to(lists=says(200, listed(resourceVersion="9" * 1_000_000)))),
    "a-token-of-a-megabyte": Mode(to(lists=says(200, listed(**{"continue": "x" * 1_000_000})))),
    "the-same-page-again": Mode(to(lists=says(200, listed(named("a"), **{"continue": "again"})))),
    "pages-without-end": Mode(to(lists=_pages_without_end)),
    "new-objects-without-end": Mode(to(lists=_new_objects_without_end), memory=True, storm=True),
    "a-million-objects": Mode(to(lists=_a_million), memory=True, storm=True),
    "large-labels-without-end": Mode(to(lists=_large_labels), memory=True, storm=True),
    "a-body-without-end": Mode(
        to(lists=for_ever(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536)), memory=True, storm=True
    ),
    "a-version-without-end": Mode(
        to_all(for_ever(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536)), memory=True, storm=True
    ),
    "a-body-in-chunks-of-one-byte": Mode(to(lists=for_ever(CHUNKED, b"1\r\n \r\n" * 1000)), storm=True),
    # watches
    "a-watch-without-a-newline": Mode(
        to(watches=for_ever(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n")),
        harmless=True,
        memory=True,
        storm=True,
    ),
    "a-watch-of-bookmarks": Mode(
        to(watches=for_ever(CHUNKED, b"%x\r\n%s\r\n" % (len(BOOKMARK) * 100, BOOKMARK * 100))),
        harmless=True,
        storm=True,
    ),
    "a-watch-of-noise": Mode(
        to(watches=for_ever(CHUNKED, b"%x\r\n%s\r\n" % (len(NOISE) * 100, NOISE * 100))),
        harmless=True,
        storm=True,
    ),
    "watches-that-end-at-once": Mode(to(watches=says(200)), harmless=True, storm=True),
    "watches-that-bring-one-thing-and-end": Mode(to(watches=says(200, BOOKMARK)), harmless=True, storm=True),
    "watches-too-old-for-ever": Mode(
        to(watches=refuses(410, "Expired", "too old resource version")), harmless=True, storm=True
    ),
    "watches-500": Mode(to(watches=refuses(500, "InternalError", "no")), harmless=True),
    "watches-403": Mode(to(watches=refuses(403, "Forbidden", "cannot watch")), harmless=True),
    "watches-as-a-web-page": Mode(to(watches=says(200, HTML, kind="text/html")), harmless=True),
    "a-watch-event-of-no-type": Mode(to(watches=streams(event("CHANGED", named("a")))), harmless=True),
    "a-watch-event-of-another-kind": Mode(
        to(watches=streams(event("ADDED", {"kind": "Status", "metadata": {}, "code": 200}))), harmless=True
    ),
    "a-watch-event-1000-deep": Mode(
        to(watches=streams(b'{"type":"ADDED","object":' + DEEP + b"}")), harmless=True
    ),
    "a-watch-error-without-end": Mode(
        to(watches=streams(event("ERROR", {"kind": "Status", "code": 500, "message": "x" * 100_000}))),
        harmless=True,
    ),
    "a-watch-at-one-byte-a-second": Mode(to(watches=for_ever(CHUNKED, b"1\r\n{\r\n", 1.0)), harmless=True),
    # port-forwards
    "upgrade-refused": Mode(to(upgrades=refuses(400, "BadRequest", "Upgrade request required"))),
    "upgrade-forbidden": Mode(to(upgrades=refuses(403, "Forbidden", "cannot create pods/portforward"))),
    "upgrade-answered-with-a-web-page": Mode(to(upgrades=says(200, HTML, kind="text/html"))),
    "upgrade-silent": Mode(to(upgrades=silent), keeps_dead=True),
    "upgrade-closed": Mode(to(upgrades=closes)),
    "upgrade-to-something-else": Mode(
        to(
            upgrades=writes(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
            )
        )
    ),
    "upgrade-then-garbage": Mode(to(upgrades=writes(SWITCHED, b"\xde\xad\xbe\xef" * 1000))),
    "upgrade-then-silence": Mode(to(upgrades=for_ever(SWITCHED, b"", 60.0)), keeps_dead=True),
    "upgrade-head-without-end": Mode(
        to(upgrades=for_ever(b"HTTP/1.1 101 Switching\r\n", b"X-Bomb: " + b"x" * 1000 + b"\r\n")), storm=True
    ),
}


def kubeconfig(servers: dict[str, Interposer], ca: bytes, namespace: str = "demo") -> str:
    """A context for each, of the mode's name, with a cluster and a user of its own, who has no login of his own: the
    interposer is the good server's administrator. JSON is YAML."""
    trusted = {"certificate-authority-data": base64.b64encode(ca).decode()}
    clusters = [
        {"name": name, "cluster": {"server": one.url, **(trusted if one.mode.is_https else {})}}
        for name, one in servers.items()
    ]
    contexts = [
        {"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}} for name in servers
    ]
    users = [{"name": name, "user": {}} for name in servers]
    made = {"apiVersion": "v1", "kind": "Config", "clusters": clusters, "contexts": contexts, "users": users}
    return json.dumps(made, indent=2)


def interposer(upstream: Upstream, mode: Mode) -> Interposer:
    good_tls = certificates.server_context(certificates.pair("hostile-good", "127.0.0.1"))
    return Interposer(upstream, mode, good_tls)


async def _by_hand(name: str) -> None:
    from kfw.sandbox.sandbox import Sandbox

    folder = Path(tempfile.mkdtemp(prefix="kfw-hostile-"))
    async with Sandbox(folder / "sandbox") as sandbox:
        server = interposer(("127.0.0.1", sandbox.port, admin(sandbox)), MODES[name])
        await server.start()
        file = folder / "kubeconfig"
        file.write_text(kubeconfig({name: server}, certificates.ca()))
        print(f"export KUBECONFIG={file}   # context {name}, services in namespace demo: web, echo, db")
        print("return: it turns good; Ctrl-C: the end")
        await asyncio.to_thread(sys.stdin.readline)
        await server.turn_good()
        print("it is good now")
        try:
            await asyncio.Event().wait()
        finally:
            await server.close()


def admin(sandbox: Any) -> ssl.SSLContext:
    """TLS to a sandbox, as its administrator."""
    said = yaml.safe_load(sandbox.kubeconfig.read_text())
    user, cluster = said["users"][0]["user"], said["clusters"][0]["cluster"]
    made = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.TemporaryDirectory() as folder:
        crt, key = Path(folder, "crt"), Path(folder, "key")
        crt.write_bytes(base64.b64decode(user["client-certificate-data"]))
        key.write_bytes(base64.b64decode(user["client-key-data"]))
        made.load_cert_chain(crt, key)
    return made


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in MODES:
        print(f"usage: python -m tests.kube.hostile MODE\n{len(MODES)} modes: {' '.join(MODES)}")
        sys.exit(2)
    asyncio.run(_by_hand(sys.argv[1]))
