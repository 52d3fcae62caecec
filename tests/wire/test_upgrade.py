"""The way from HTTP/1.1 to a tunnel: request, answer, and the server's half."""

import base64

import pytest

from kfw.wire.codec import WireError
from kfw.wire.upgrade import (
    TUNNEL,
    UpgradeAnswer,
    UpgradeRefused,
    Upgrading,
    accept_spdy,
    accept_websocket,
    check_spdy,
    check_websocket,
    spdy_headers,
    websocket_headers,
)

RFC_KEY = base64.b64decode("dGhlIHNhbXBsZSBub25jZQ==")
RFC_ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
PATH = "/api/v1/namespaces/demo/pods/web-1/portforward"
#: A protocol of exec and attach, which this side of kfw does not speak.
OTHER = "v4.channel.k8s.io"


def lower(headers: list[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def asked(headers: list[tuple[str, str]], method: str = "GET") -> Upgrading:
    return Upgrading(method, PATH, [("Host", "api.example"), ("Authorization", "Bearer t"), *headers])


def answer(status_line: str, headers: list[tuple[str, str]], rest: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status_line}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + rest


def test_the_spdy_request_is_as_kubectl_sends_it() -> None:
    lines = asked(spdy_headers(), "POST").request.decode().split("\r\n")
    assert lines[0] == f"POST {PATH} HTTP/1.1"
    assert {"Connection: Upgrade", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: portforward.k8s.io"} <= {
        *lines
    }
    assert lines[-2:] == ["", ""]


def test_a_websocket_request_names_the_tunnel_protocol_slash_and_all() -> None:
    lines = asked(websocket_headers(RFC_KEY, TUNNEL)).request.decode().split("\r\n")
    assert "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io" in lines
    assert "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" in lines


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_what_follows_the_101_belongs_to_the_new_protocol(piece: int) -> None:
    upgrading, wire = asked(spdy_headers(), "POST"), answer("101 Switching Protocols", spdy_headers())
    answers = [upgrading.receive(wire[at : at + piece]) for at in range(0, len(wire), piece)]
    assert answers[:-1] == [None] * (len(answers) - 1)
    got = answers[-1]
    assert got is not None and got.status == 101
    check_spdy(got)


def test_frames_in_the_same_chunk_as_the_101_are_kept() -> None:
    got = asked(spdy_headers()).receive(
        answer("101 Switching Protocols", spdy_headers(), rest=b"\x80\x03frames")
    )
    assert got is not None and got.rest == b"\x80\x03frames"


def test_a_refusal_comes_with_its_body() -> None:
    body = b'{"kind":"Status","message":"pods is forbidden"}'
    got = asked(spdy_headers()).receive(answer("403 Forbidden", [("Content-Length", str(len(body)))], body))
    assert got == UpgradeAnswer(403, "Forbidden", {"content-length": str(len(body))}, body)
    with pytest.raises(UpgradeRefused, match="answered 403 Forbidden") as caught:
        check_spdy(got)
    assert caught.value.status == 403


def test_a_refusal_in_chunks_is_put_together() -> None:
    wire = answer("500 Oops", [("Transfer-Encoding", "chunked")], b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    upgrading = asked(spdy_headers())
    pieces = [upgrading.receive(wire[at : at + 1]) for at in range(len(wire))]
    assert pieces[-1] is not None and pieces[-1].body == b"abcde"


def test_of_a_long_refusal_only_the_start_is_kept() -> None:
    upgrading = asked(spdy_headers())
    assert upgrading.receive(answer("502 Bad Gateway", [("Content-Length", "10000000")])) is None
    assert upgrading.receive(bytes(60_000)) is None
    got = upgrading.receive(bytes(60_000))
    assert got is not None and len(got.body) == 64 * 1024


def test_a_refusal_whose_body_breaks_off_still_has_its_status() -> None:
    upgrading = asked(spdy_headers())
    upgrading.receive(answer("401 Unauthorized", [("Content-Length", "100")], b"half"))
    got = upgrading.receive(b"")
    assert got is not None and (got.status, got.body) == (401, b"half")


def test_a_refusal_that_ends_with_the_connection_is_whole_then() -> None:
    upgrading = asked(spdy_headers())
    assert upgrading.receive(answer("400 Bad Request", [("Connection", "close")], b"text")) is None
    got = upgrading.receive(b"")
    assert got is not None and (got.status, got.body) == (400, b"text")


def test_interim_answers_are_passed_over() -> None:
    wire = (
        answer("100 Continue", []) + answer("103 Early Hints", []) + answer("101 Switching", spdy_headers())
    )
    got = asked(spdy_headers()).receive(wire)
    assert got is not None and got.status == 101


@pytest.mark.parametrize(
    "wire",
    [b"", b"\x80\x03\x00\x02\x00\x00\x00\x04\r\n\r\n", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n",
     b"HTTP/1.1 101 X\r\nbad header\r\n\r\n", b"x" * 70_000, b"HTTP/1.1 200 OK\r\nA: " + b"y" * 70_000,
     b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x46"],
    ids=lambda wire: repr(wire[:12]),
)  # fmt: skip
def test_what_is_not_http_is_one_error(wire: bytes) -> None:
    upgrading = asked(spdy_headers())
    with pytest.raises(WireError, match=r"is not HTTP|closed the connection"):
        upgrading.receive(wire)
        upgrading.receive(b"")


def test_a_token_with_a_line_break_is_refused_before_it_is_sent() -> None:
    with pytest.raises(WireError, match="cannot ask for"):
        Upgrading("GET", PATH, [("Host", "x"), ("Authorization", "Bearer a\nX: y")])


def switched(**changes: str | None) -> UpgradeAnswer:
    headers: dict[str, str | None] = {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": RFC_ACCEPT,
        "sec-websocket-protocol": TUNNEL,
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    return UpgradeAnswer(101, "", {name: value for name, value in headers.items() if value is not None})


def test_the_rfcs_example_of_a_handshake_holds() -> None:
    check_websocket(switched(), RFC_KEY, TUNNEL)
    check_websocket(switched(upgrade="WebSocket", connection="keep-alive, upgrade"), RFC_KEY, TUNNEL)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sec_websocket_accept": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}, "Sec-WebSocket-Accept is wrong"),
        ({"sec_websocket_accept": None}, "Sec-WebSocket-Accept is wrong"),
        ({"sec_websocket_protocol": "v5.channel.k8s.io"}, "chose protocol 'v5.channel.k8s.io', not 'SPDY"),
        ({"sec_websocket_protocol": None}, "chose protocol '', not 'SPDY/3.1\\+portforward.k8s.io'"),
        ({"sec_websocket_extensions": "permessage-deflate"}, "extension that was not requested"),
        ({"upgrade": "h2c"}, "switched, but not to websocket"),
        ({"upgrade": None}, "switched, but not to websocket"),
        ({"connection": "close"}, "switched, but not to websocket"),
    ],
)
def test_a_wrong_handshake_is_refused(changes: dict[str, str | None], why: str) -> None:
    with pytest.raises(UpgradeRefused, match=why):
        check_websocket(switched(**changes), RFC_KEY, TUNNEL)


def test_a_200_is_no_upgrade() -> None:
    with pytest.raises(UpgradeRefused, match="answered 200 OK"):
        check_websocket(UpgradeAnswer(200, "OK", {}), RFC_KEY, TUNNEL)


def test_a_server_accepts_what_its_client_then_accepts() -> None:
    for protocol in (OTHER, TUNNEL):
        chosen, headers = accept_websocket(lower(websocket_headers(RFC_KEY, protocol)), [TUNNEL, OTHER])
        assert chosen == protocol
        check_websocket(UpgradeAnswer(101, "", lower(headers)), RFC_KEY, protocol)
    check_spdy(UpgradeAnswer(101, "", lower(accept_spdy(lower(spdy_headers())))))


def test_a_server_takes_the_clients_first_protocol_that_it_knows() -> None:
    request = lower(websocket_headers(RFC_KEY, f"v5.channel.k8s.io, {OTHER}, {TUNNEL}"))
    assert accept_websocket(request, [TUNNEL, OTHER])[0] == OTHER


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"upgrade": "h2c"}, 400),
        ({"connection": "keep-alive"}, 400),
        ({"sec-websocket-version": "8"}, 426),
        ({"sec-websocket-key": ""}, 400),
        ({"sec-websocket-key": "dG9vIHNob3J0"}, 400),
        ({"sec-websocket-key": "not base64 at all!!"}, 400),
        ({"sec-websocket-key": "ключ"}, 400),
        ({"sec-websocket-protocol": ""}, 403),
        ({"sec-websocket-protocol": "v5.channel.k8s.io"}, 403),
    ],
)
def test_a_server_refuses_a_wrong_websocket_request(changes: dict[str, str], status: int) -> None:
    with pytest.raises(UpgradeRefused) as caught:
        accept_websocket(lower(websocket_headers(RFC_KEY, TUNNEL)) | changes, [TUNNEL])
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"upgrade": "websocket"}, 400), ({"connection": ""}, 400), ({"x-stream-protocol-version": ""}, 400),
     ({"x-stream-protocol-version": "v4.channel.k8s.io"}, 403)],
)  # fmt: skip
def test_a_server_refuses_a_wrong_spdy_request(changes: dict[str, str], status: int) -> None:
    with pytest.raises(UpgradeRefused) as caught:
        accept_spdy(lower(spdy_headers()) | changes)
    assert caught.value.status == status
