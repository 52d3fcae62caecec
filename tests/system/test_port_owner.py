"""Who has a port, from /proc/net/tcp and /proc/*/fd, or from lsof."""

import socket
import sys
from pathlib import Path

import pytest

from kfw.system import port_owner as module
from kfw.system.port_owner import holder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
REST = "00000000:00000000 00:00000000 00000000"


def row(local: str, state: str, inode: int, uid: int = 0) -> str:
    return f"   0: {local} 00000000:0000 {state} {REST} {uid:5d}        0 {inode} 1 0000000000000000 100 0 0 10 0\n"


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc of our own: the files are the edge, what reads them is real."""
    monkeypatch.setattr(module, "PROC", tmp_path)
    (tmp_path / "net").mkdir()
    process(tmp_path, 41, "nginx", 7001)
    process(tmp_path, 42, "nginx", 7001)  # a worker of it
    process(tmp_path, 99, "curl", 7002)
    return tmp_path


def process(proc: Path, pid: int, name: str, inode: int) -> None:
    (proc / str(pid) / "fd").mkdir(parents=True)
    (proc / str(pid) / "comm").write_text(f"{name}\n")
    (proc / str(pid) / "fd" / "3").symlink_to(f"socket:[{inode}]")


def tables(proc: Path, tcp: str = "", tcp6: str = "") -> None:
    (proc / "net" / "tcp").write_text(HEAD + tcp)
    (proc / "net" / "tcp6").write_text(HEAD + tcp6)


def test_of_processes_that_share_a_listening_socket_the_parent_is_named(proc: Path) -> None:
    tables(proc, row("0100007F:1F90", "0A", 7001))
    assert holder(8080) == "nginx (pid 41)"
    assert holder(8081) is None


def test_who_listens_is_named_before_who_is_only_connected_from_there(proc: Path) -> None:
    tables(proc, row("0100007F:1F90", "01", 7002) + row("00000000:1F90", "0A", 7001))
    assert holder(8080, "127.0.0.1") == "nginx (pid 41)"
    tables(proc, row("0100007F:1F90", "01", 7002))
    assert holder(8080, "127.0.0.1") == "curl (pid 99)"


@pytest.mark.parametrize(
    ("address", "name"),
    [("127.0.0.1", "nginx (pid 41)"), ("127.0.0.2", None), ("0.0.0.0", "nginx (pid 41)"), ("::1", None)],
)
def test_only_who_is_in_the_way_of_the_address_counts(proc: Path, address: str, name: str | None) -> None:
    tables(proc, row("0100007F:1F90", "0A", 7001))
    assert holder(8080, address) == name


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_listener_on_all_ipv6_addresses_is_in_the_way_of_both(proc: Path, address: str) -> None:
    tables(proc, tcp6=row("00000000000000000000000000000000:1F90", "0A", 7001))
    assert holder(8080, address) == "nginx (pid 41)"


def test_a_program_that_we_may_not_look_into_is_named_by_its_user(proc: Path) -> None:
    tables(proc, row("00000000:1F90", "0A", 5555, uid=0))
    assert holder(8080) == "another program (of user root)"
    tables(proc, row("00000000:1F90", "0A", 5555, uid=4_000_000))
    assert holder(8080) == "another program (of user 4000000)"


def test_a_connection_that_nobody_has_any_more_is_named_as_that(proc: Path) -> None:
    tables(proc, row("0100007F:1F90", "06", 0))
    assert holder(8080) == "a connection that has just ended (for up to a minute)"


def test_without_ipv6_the_other_table_is_enough(proc: Path) -> None:
    tables(proc, row("0100007F:1F90", "0A", 7001))
    (proc / "net" / "tcp6").unlink()
    assert holder(8080) == "nginx (pid 41)"


def test_the_real_proc_names_this_very_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert holder(server.getsockname()[1]) == "kfw itself"


def test_lsof_is_asked_where_there_is_no_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = tmp_path / "lsof"
    stub.write_text('#!/bin/sh\ntest "$2" = -iTCP:8080 && printf "p41\\ncnginx\\nf6\\n"\n')
    stub.chmod(0o755)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert holder(8080) == "nginx (pid 41)"
    assert holder(9090) is None


def test_a_missing_or_stuck_lsof_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(module, "LSOF_SECONDS", 0.1)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert holder(8080) is None
    (tmp_path / "lsof").write_text("#!/bin/sh\nexec /bin/sleep 5\n")
    (tmp_path / "lsof").chmod(0o755)
    assert holder(8080) is None
