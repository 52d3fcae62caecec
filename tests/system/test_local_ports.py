"""Binding local ports: all addresses or none, who has a busy one, and what to do about it."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from kfw.errors import KfwError, NotPermitted, PortInUse
from kfw.system.local_ports import alternatives, bind
from tests.real.talk import free_ports

BOTH = ("127.0.0.1", "::1")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the holder is found in /proc")

#: Listens on an address and port (argv[1:]) without SO_REUSEADDR, prints the port, and ends when its stdin is closed.
STRANGER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
sock = socket.socket(family)
sock.bind((sys.argv[1], int(sys.argv[2])))
sock.listen()
print(sock.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def stranger(address: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another program that listens: the process and its port."""
    argv = [sys.executable, "-c", STRANGER, address, str(free_ports(1)[0])]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
        assert process.poll() is None, "the stranger did not live on"


@contextmanager
def bound(*addresses: str, port: int = 0, **how: Any) -> Iterator[int]:
    """The port, listened on as kfw does."""
    sockets, real = bind(addresses, port, **how)
    try:
        yield real
    finally:
        for sock in sockets:
            sock.close()


def test_any_port_is_one_that_is_free_on_all_addresses() -> None:
    with bound(*BOTH) as port:
        for address in BOTH:
            socket.create_connection((address, port)).close()


def test_all_addresses_of_both_families_can_be_had_at_once() -> None:
    with bound("0.0.0.0", "::") as port:
        for address in BOTH:
            socket.create_connection((address, port)).close()


def test_a_bound_port_takes_connections_before_anybody_accepts() -> None:
    with bound("127.0.0.1") as port:
        clients = [socket.create_connection(("127.0.0.1", port), 1) for _ in range(200)]
        for client in clients:
            client.close()


@linux_only
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_B16_a_port_in_use_names_its_holder_who_lives_on(address: str) -> None:
    with stranger(address) as (process, port):
        with pytest.raises(PortInUse) as raised:
            bind(BOTH, port)
        assert raised.value.what == f"cannot listen on {port}: {_comm()} (pid {process.pid}) has it"
        assert "localPort" in raised.value.fix and "onPortInUse: next" in raised.value.fix


def test_a_port_that_is_busy_on_one_address_is_taken_on_none() -> None:
    with stranger("::1") as (_, port):
        with pytest.raises(PortInUse):
            bind(BOTH, port)
        with bound("127.0.0.1", port=port):
            pass


def test_a_wildcard_listener_that_shares_its_address_still_counts() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("0.0.0.0", 0))
        other.listen()
        with pytest.raises(PortInUse, match="kfw itself has it"):
            bind(["127.0.0.1"], other.getsockname()[1])


@linux_only
def test_a_client_that_has_the_port_is_named_too_and_lives_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())
        with pytest.raises(PortInUse, match="kfw itself has it"):
            bind(["127.0.0.1"], client.getsockname()[1])
        client.send(b"still there")


def test_connections_that_ended_a_moment_ago_do_not_keep_the_port() -> None:
    sockets, port = bind(["127.0.0.1"], free_ports(1)[0])
    with socket.create_connection(("127.0.0.1", port)) as client:
        accepted, _ = sockets[0].accept()
        accepted.close()  # first, so that it is this side which goes to TIME_WAIT
        client.recv(1)
    sockets[0].close()
    with bound("127.0.0.1", port=port) as again:
        assert again == port


def test_A3_a_port_that_is_busy_on_127_0_0_1_only_moves_on_if_asked_to() -> None:
    with stranger("127.0.0.1") as (_, busy), bound(*BOTH, port=busy, on_port_in_use="next") as port:
        assert 0 < abs(port - busy) <= 99
        assert port in islice(alternatives(busy), 20)


def test_a_port_that_is_promised_to_a_child_is_busy_though_nobody_listens() -> None:
    with stranger("127.0.0.1") as (_, port):
        pass
    claims = {port: "the forward 'api'"}
    with pytest.raises(PortInUse, match=f"cannot listen on {port}: the forward 'api' has it"):
        bind(["127.0.0.1"], port, claims=claims)
    with bound("127.0.0.1", port=port, on_port_in_use="next", claims=claims) as other:
        assert other in islice(alternatives(port), 20)


def test_A39_alternatives_are_the_next_one_the_one_before_and_so_on() -> None:
    assert list(islice(alternatives(8080), 5)) == [8081, 8079, 8082, 8078, 8083]
    assert len(list(alternatives(8080))) == 198


def test_A39_an_alternative_is_never_below_1024_or_above_65535() -> None:
    assert list(islice(alternatives(1025), 4)) == [1026, 1024, 1027, 1028]
    assert max(alternatives(65530)) == 65535
    assert list(alternatives(80)) == []


def test_when_no_alternative_is_free_the_holder_of_the_first_is_named() -> None:
    """They are promised to others: what other programs have may be free again before it is asked for."""
    with stranger("127.0.0.1") as (process, busy):
        claims = dict.fromkeys(alternatives(busy), "the forward 'api'")
        with pytest.raises(PortInUse) as raised:
            bind(["127.0.0.1"], busy, on_port_in_use="next", claims=claims)
        assert f"(pid {process.pid}) has it, and no port" in raised.value.what
        assert raised.value.fix == "choose another localPort"


def test_an_address_that_the_machine_does_not_have_is_an_error_with_a_fix() -> None:
    with pytest.raises(KfwError) as raised:
        bind(["127.0.0.1", "192.0.2.7"], 0)
    assert raised.value.what == "cannot listen on 192.0.2.7: this machine has no such address"
    assert raised.value.reason == "bad-config"
    assert "127.0.0.1" in raised.value.fix


@linux_only
def test_A5_a_machine_without_ipv6_loopback_listens_on_the_configured_port() -> None:
    script = """
import fcntl, socket, struct
from pathlib import Path
from typing import Any
from kfw.system.local_ports import bind
Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh22x", b"lo", 0x41))  # SIOCSIFFLAGS: up and running
sockets, port = bind(["127.0.0.1", "::1"], 8080)
print(port, [sock.getsockname()[0] for sock in sockets])
"""
    assert _apart("--net", script) == "8080 ['127.0.0.1']\n"


@linux_only
def test_a_low_port_without_the_right_to_it_says_how_to_get_it() -> None:
    script = """
from kfw.errors import NotPermitted
from kfw.system.local_ports import bind
try:
    bind(["127.0.0.1"], 81)
except NotPermitted as error:
    print(error.what, error.fix, sep="\\n")
"""
    assert _apart("--user", script).splitlines() == [
        "cannot listen on 81: low ports are reserved for root",
        "sudo sysctl net.ipv4.ip_unprivileged_port_start=81, or choose a localPort of 1024 or higher",
    ]
    assert NotPermitted.exit_code == 5


def _comm() -> str:
    return Path(sys.executable).name[:15]


def _apart(namespace: str, script: str) -> str:
    """Run it as if on another machine, or without root's rights; skip where that is not allowed."""
    unshare = shutil.which("unshare")
    if not unshare:
        pytest.skip("needs unshare")
    prefix = [unshare, "--map-root-user", namespace] if namespace != "--user" else [unshare, "--user"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("namespaces are not allowed here")
    done = subprocess.run(
        [*prefix, sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
