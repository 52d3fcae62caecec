"""Which process has the other end of a connection."""

import os
import socket

import pytest

from kfw.system.port_owner import processes, read_lsof


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_process_is_found_by_its_end_of_the_connection(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        with socket.create_connection(server.getsockname()[:2]) as client:
            accepted, (address, port, *_) = server.accept()
            with accepted:
                found = processes([(address, port)])
            assert client.getsockname()[1] == port
    assert found == {(address, port): "kfw itself"}  # that is this process: it looks for itself


def test_a_client_that_is_not_of_this_machine_is_not_found() -> None:
    assert processes([("192.0.2.7", 51234)]) == {}
    assert processes([]) == {}


def test_lsof_is_read() -> None:
    lines = [
        "p41",
        "ccurl",
        "f5",
        "n127.0.0.1:51234->127.0.0.1:8080",
        "p42",
        "ckfw",
        "n127.0.0.1:8080->127.0.0.1:51234",
    ]
    clients = {"127.0.0.1:51234": ("127.0.0.1", 51234)}
    assert read_lsof(lines, clients) == {("127.0.0.1", 51234): "curl (pid 41)"}


def test_another_process_is_named_with_its_pid() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = os.fork()
        if child == 0:
            try:
                with socket.create_connection(server.getsockname()) as connection:
                    connection.recv(1)
            finally:
                os._exit(0)
        accepted, client = server.accept()
        with accepted:
            assert f"(pid {child})" in processes([client])[client]
        os.waitpid(child, 0)
