"""`kfw restart --daemon`: another daemon takes over, and nobody who uses a port notices."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

import kfw as package
from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import namespace as namespace_object
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.running import until
from tests.sandbox.kubectl import needs_kubectl
from tests.whole.arrivals import Arrivals, arrivals
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Entry, Program

OWN = ("tunnel", "nodeport")


def serve(shared: Place, namespace: str) -> None:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}, replicas=2),
        service(namespace, "web", service_port(80, "http"), kind="NodePort"),
        deployment(namespace, "echo", "kfw/echo", ports={"echo": 9000}),
        service(namespace, "echo", service_port(7, "echo"), kind="NodePort"),
    )


@pytest.fixture
def where(shared: Place, namespace: str) -> str:
    serve(shared, namespace)
    return namespace


def entry(where: str, method: str, target: str = "web") -> Entry:
    port = {"web": 80, "echo": 7}[target]
    return {
        "target": f"service/{target}",
        "targetPort": port,
        "namespace": where,
        "method": method,
        "localPort": talk.free_ports(1)[0],
    }


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until_more(load: Arrivals, count: int) -> None:
    """So many more clients are answered."""
    seen = load.hows["answered"]
    until(
        lambda: load.hows["answered"] >= seen + count,
        30,
        lambda: f"{count} more clients are answered, {load}",
    )


def totals(kfw: Program, name: str) -> dict[str, float]:
    return dict(kfw.status(name)["totals"])


def messages(kfw: Program) -> str:
    return "\n".join(event["message"] for event in kfw.ask("/v1/events"))


def test_NFR_no_connection_is_refused_or_reset_while_the_daemon_is_replaced_under_load(
    own_kfw: Program, where: str
) -> None:
    forwards = {method: entry(where, method) for method in OWN}
    own_kfw.up(forwards)
    pids = [own_kfw.daemon()["pid"]]
    with arrivals([one["localPort"] for one in forwards.values()]) as load:
        for _ in range(3):
            until_more(load, 100)
            own_kfw("restart", "--daemon", "--drain", "20s")
            pids.append(own_kfw.daemon()["pid"])
        until_more(load, 200)
    assert load.failed == {}, f"{load}\n{own_kfw.log()}"
    assert len(set(pids)) == 4
    until(lambda: not any(map(alive, pids[:-1])), 20, lambda: f"they end: {own_kfw.processes()}")
    assert {name: row["status"] for name, row in own_kfw.rows().items()} == dict.fromkeys(OWN, "active")


@pytest.mark.parametrize("method", OWN)
def test_live_connections_end_in_their_own_time_in_the_daemon_before(
    own_kfw: Program, where: str, method: str
) -> None:
    forwards = {"echo": entry(where, method, "echo")}
    own_kfw.up(forwards)
    before = own_kfw.daemon()["pid"]
    with socket.create_connection(("127.0.0.1", forwards["echo"]["localPort"]), 10) as client:
        assert talk.answered(client, b"before")
        done = own_kfw("restart", "--daemon")
        assert f"pid {before} still carries 1 connection" in done.stderr
        assert own_kfw.daemon()["pid"] != before
        for _ in range(3):
            assert talk.answered(client, b"after")
        until(
            lambda: "still carries 1 connections" in str(own_kfw.ask("/v1/ping")["warnings"]),
            5,
            lambda: "status tells of it",
        )
        assert alive(before)
    until(lambda: not alive(before), 15, lambda: "the daemon before ends with its last connection")
    until(
        lambda: "each of its connections ended by itself" in messages(own_kfw), 5, lambda: messages(own_kfw)
    )
    assert own_kfw.ask("/v1/ping")["warnings"] == []


def test_after_its_time_the_daemon_before_cuts_what_still_lives_and_that_is_told(
    own_kfw: Program, where: str
) -> None:
    forwards = {"echo": entry(where, "nodeport", "echo")}
    own_kfw.up(forwards)
    before = own_kfw.daemon()["pid"]
    with socket.create_connection(("127.0.0.1", forwards["echo"]["localPort"]), 10) as client:
        assert talk.answered(client, b"before")
        own_kfw("restart", "--daemon", "--drain", "1s")
        until(lambda: not alive(before), 10, lambda: "the daemon before ends")
        client.settimeout(5)
        with pytest.raises(ConnectionResetError):
            talk.answered(client, b"after")
    until(lambda: "1 connections were cut" in messages(own_kfw), 5, lambda: messages(own_kfw))


def test_stop_ends_the_daemon_before_as_well(own_kfw: Program, where: str) -> None:
    forwards = {"echo": entry(where, "nodeport", "echo")}
    own_kfw.up(forwards)
    with socket.create_connection(("127.0.0.1", forwards["echo"]["localPort"]), 10) as client:
        assert talk.answered(client, b"before")
        own_kfw("restart", "--daemon")
        own_kfw("stop")
        until(lambda: not own_kfw.processes(), 10, lambda: f"nothing is left: {own_kfw.processes()}")


def test_FR_CLI_04_a_restart_gives_a_new_pid_and_counters_events_and_the_word_of_the_user_are_kept(
    own_kfw: Program, where: str
) -> None:
    forwards = {name: entry(where, "nodeport") for name in ("api", "off", "gone")}
    own_kfw.up(forwards)
    own_kfw("disable", "off")
    own_kfw("down", "gone")
    for _ in range(5):
        talk.get(f"http://127.0.0.1:{forwards['api']['localPort']}")
    before, seq = own_kfw.daemon()["pid"], own_kfw.seq()
    counted = totals(own_kfw, "api")
    own_kfw("restart", "--daemon")
    after = totals(own_kfw, "api")
    assert own_kfw.daemon()["pid"] != before
    for name in ("connections", "bytes_in", "bytes_out", "failures", "reconnects", "since"):
        wire = re.sub(r"_(.)", lambda found: found[1].upper(), name)
        assert after[wire] == counted[wire], name
    assert after["uptimeSeconds"] >= counted["uptimeSeconds"]
    assert own_kfw.seq() > seq
    own_kfw("restart", "--daemon")
    talk.get(f"http://127.0.0.1:{forwards['api']['localPort']}")
    until(lambda: totals(own_kfw, "api")["connections"] == 6, 5, lambda: str(totals(own_kfw, "api")))
    own_kfw("reload")
    assert {name: row["status"] for name, row in own_kfw.rows().items()} == {
        "api": "active",
        "off": "disabled",
    }


def test_what_a_live_connection_carries_after_the_handover_is_counted_when_it_ends(
    own_kfw: Program, where: str
) -> None:
    forwards = {"echo": entry(where, "nodeport", "echo")}
    own_kfw.up(forwards)
    with socket.create_connection(("127.0.0.1", forwards["echo"]["localPort"]), 10) as client:
        assert talk.answered(client, b"x" * 1000)
        own_kfw("restart", "--daemon")
        assert talk.answered(client, b"y" * 5000)
    until(lambda: totals(own_kfw, "echo")["bytesIn"] == 6000, 15, lambda: str(totals(own_kfw, "echo")))
    assert totals(own_kfw, "echo")["connections"] == 1


@needs_kubectl
def test_a_child_behind_a_listener_of_kfws_is_replaced_without_a_gap(own_kfw: Program, where: str) -> None:
    forwards = {"web": entry(where, "kubectl")}
    own_kfw.up(forwards)
    child = own_kfw.status("web")["pid"]
    with arrivals([forwards["web"]["localPort"]], 20) as load:
        until_more(load, 20)
        own_kfw("restart", "--daemon", "--drain", "20s")
        until_more(load, 20)
    assert load.failed == {}, f"{load}\n{own_kfw.log()}"
    assert own_kfw.status("web")["pid"] != child
    until(lambda: not alive(child), 15, lambda: "the kubectl before ends")


def test_a_socat_has_its_port_itself_so_it_is_closed_for_a_moment_that_is_told_and_live_ones_go_on(
    own_kfw: Program, where: str
) -> None:
    if not shutil.which("socat"):
        pytest.skip("no socat")
    forwards = {"echo": entry(where, "socat", "echo")}
    own_kfw.up(forwards)
    with socket.create_connection(("127.0.0.1", forwards["echo"]["localPort"]), 10) as client:
        assert talk.answered(client, b"before")
        done = own_kfw("restart", "--daemon")
        assert "closed for a moment, as a child process has the port: echo" in done.stderr
        own_kfw.wait("echo", "active", within=5)
        with socket.create_connection(("127.0.0.1", forwards["echo"]["localPort"]), 10) as another:
            assert talk.answered(another, b"new")
        assert talk.answered(client, b"after")


def test_a_port_that_was_drawn_stays_the_same(own_kfw: Program, where: str) -> None:
    forwards = {"drawn": {**entry(where, "nodeport"), "localPort": 0}}
    own_kfw.up(forwards)
    port = own_kfw.status("drawn")["localPort"]
    own_kfw("restart", "--daemon")
    assert own_kfw.status("drawn")["localPort"] == port
    talk.get(f"http://127.0.0.1:{port}")


# -- when the new one does not come up


STEPS = {
    "it is not there": "",
    "it ends at once": "raise SystemExit(7)",
    "it makes no sense": "sock.sendall(b'GET / HTTP/1.1' + bytes(100))",
    "it speaks of other things": "say({'type': 'Serving'})",
    "it hands over in another way": "say({'type': 'Hello', 'pid': 1, 'version': '9', 'speaks': 99})",
    "it ends after hello": "hello()",
    "it ends when it has the sockets": "hello(); hear()",
    "it says why it fails": "hello(); hear(); say({'type': 'CannotTakeOver', 'why': 'the moon is full'})",
    "it lacks a forward": "hello(); hear(); say({'type': 'Ready', 'lacks': {'web': 'no login'}}); rest()",
    "it ends when it is ready": "hello(); hear(); ready()",
    "it ends when it may go": "hello(); hear(); ready(); hear()",
    "it hangs when it may go": "hello(); hear(); ready(); hear(); rest()",
}
STUB = """#!{python} -S
import array, json, os, socket, struct, sys, time
fd = int(next(a for a in sys.argv if a.startswith("--take-over=")).partition("=")[2])
sock = socket.socket(fileno=fd)
def exactly(n):
    data = b""
    while len(data) < n:
        data += sock.recv(n - len(data)) or sys.exit("the other side is gone")
    return data
def say(message):
    body = json.dumps(message).encode()
    sock.sendall(struct.pack(">II", len(body), 0) + body)
def hear():
    size, count = struct.unpack(">II", exactly(8))
    files = []
    while len(files) < count:
        files += socket.recv_fds(sock, 1, 200)[1]
    return json.loads(exactly(size)), files
def hello(): say({{"type": "Hello", "pid": os.getpid(), "version": "9.9"}})
def ready(): say({{"type": "Ready", "lacks": {{}}}})
def rest(): time.sleep(600)
{does}
"""


@dataclass
class Steady:
    """A daemon with two forwards, to which all these tests come one after the other: each must leave it as it was."""

    kfw: Program
    forwards: dict[str, Entry]


@pytest.fixture(scope="module")
def steady(shared: Place) -> Iterator[Steady]:
    where = "handover-fails"
    shared.apply(namespace_object(where))
    serve(shared, where)
    kfw = Program(shared.kubeconfig)
    forwards = {"web": entry(where, "nodeport"), "echo": entry(where, "tunnel", "echo")}
    try:
        kfw.up(forwards)
        yield Steady(kfw, forwards)
    finally:
        kfw.close()
        shared.do(lambda sandbox: sandbox.delete("namespaces", "", where))


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    """An interpreter that is none: a stub of a new daemon."""
    return tmp_path / "python"


@pytest.mark.parametrize("does", STEPS.values(), ids=STEPS.keys())
def test_a_new_daemon_that_fails_at_any_step_leaves_the_old_one_as_it_was(
    steady: Steady, stub: Path, does: str
) -> None:
    if does:
        stub.write_text(STUB.format(python=sys.executable, does=does))
        stub.chmod(0o755)
    kfw, forwards = steady.kfw, steady.forwards
    before = kfw.daemon()
    state = {file.name: file.read_bytes() for file in kfw.home.glob("*/*.json")}
    with (
        socket.create_connection(("127.0.0.1", forwards["echo"]["localPort"]), 10) as client,
        arrivals([forwards["web"]["localPort"]], 50) as load,
    ):
        assert talk.answered(client, b"before")
        refusal = kfw.post("/v1/handover", {"python": str(stub), "drain": 5})
        assert "did not take over" in refusal["what"], refusal
        assert "continues as before" in refusal["fix"]
        assert talk.answered(client, b"after")
        until_more(load, 20)
    assert load.failed == {}, load
    assert kfw.daemon()["pid"] == before["pid"]
    assert (kfw.home / "run" / "kfw.pid").read_text() == f"{before['pid']}\n"
    assert (kfw.home / "run" / "kfw.lock").read_text() == f"{before['pid']}\n"
    now = {file.name: file.read_bytes() for file in kfw.home.glob("*/*.json")}
    assert now["up.json"] == state["up.json"]
    assert len(kfw.processes()) == 1, kfw.processes()


def test_after_all_that_failed_the_next_new_daemon_takes_over(steady: Steady) -> None:
    before = steady.kfw.daemon()["pid"]
    refusal = steady.kfw.post("/v1/handover", {"python": "/nonexistent", "drain": 5})
    assert "did not take over" in refusal["what"]
    steady.kfw("restart", "--daemon", "--drain", "1s")
    assert steady.kfw.daemon()["pid"] != before
    with socket.create_connection(("127.0.0.1", steady.forwards["echo"]["localPort"]), 10) as client:
        assert talk.answered(client, b"new")
    steady.kfw.until_row("echo", status="active")


def test_a_forward_that_would_not_serve_in_the_new_daemon_is_a_reason_to_stay(
    make_kfw: Make, shared: Place, where: str, tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "config"
    shutil.copy(shared.kubeconfig, kubeconfig)
    kfw = make_kfw(kubeconfig)
    forwards = {"web": entry(where, "tunnel")}
    kfw.up(forwards)
    before = kfw.daemon()["pid"]
    kubeconfig.rename(tmp_path / "moved")
    done = kfw("restart", "--daemon", code=None, timeout=120)
    assert done.returncode != 0
    assert "'web' is served by the old daemon, but not by the new one" in done.stderr
    (tmp_path / "moved").rename(kubeconfig)
    assert kfw.daemon()["pid"] == before


@pytest.mark.parametrize("answered", (0, 1, 2), ids=("at once", "after hello", "in nonsense"))
def test_a_new_daemon_whose_predecessor_is_gone_ends_and_touches_nothing(
    own_kfw: Program, answered: int
) -> None:
    own_kfw("start")
    before = own_kfw.daemon()["pid"]
    files = {file: file.stat().st_mtime_ns for file in (own_kfw.home / "run").iterdir()}
    ours, theirs = socket.socketpair()
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "kfw", "serve", f"--take-over={theirs.fileno()}"],
        env=own_kfw.env,
        pass_fds=[theirs.fileno()],
        stderr=subprocess.PIPE,
    )
    theirs.close()
    with ours, ExitStack() as stack:
        stack.callback(child.kill)
        if answered:
            assert ours.recv(65536)
        if answered == 2:
            ours.sendall(b"\0\0\0\2\0\0\0\0{}")
        ours.close()
        _, said = child.communicate(timeout=20)
    assert child.returncode not in (0, None)
    assert b"Traceback" not in said, said
    assert own_kfw.daemon()["pid"] == before
    assert {file: file.stat().st_mtime_ns for file in (own_kfw.home / "run").iterdir()} == files


def test_an_old_daemon_that_is_killed_right_after_the_handover_takes_nothing_with_it_but_its_connections(
    own_kfw: Program, where: str
) -> None:
    forwards = {"echo": entry(where, "nodeport", "echo")}
    own_kfw.up(forwards)
    before = own_kfw.daemon()["pid"]
    with socket.create_connection(("127.0.0.1", forwards["echo"]["localPort"]), 10) as client:
        assert talk.answered(client, b"before")
        own_kfw("restart", "--daemon")
        os.kill(before, signal.SIGKILL)
        with socket.create_connection(("127.0.0.1", forwards["echo"]["localPort"]), 10) as another:
            assert talk.answered(another, b"new")
    until(lambda: "has ended without a word" in messages(own_kfw), 5, lambda: messages(own_kfw))
    own_kfw("restart", "--daemon")


# -- who may, and the new version


def test_a_daemon_in_the_foreground_is_restarted_by_whoever_runs_it(own_kfw: Program) -> None:
    running = own_kfw.popen("serve")
    try:
        until(own_kfw.answers, 10, lambda: "it serves")
        done = own_kfw("restart", "--daemon", code=1)
        assert "runs in the foreground" in done.stderr
        assert own_kfw.daemon()["pid"] == running.pid
    finally:
        running.terminate()
        running.communicate(timeout=20)


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The folder of a kfw of another version."""
    folder = tmp_path / "newer"
    shutil.copytree(
        Path(package.__file__).parent, folder / "kfw", ignore=shutil.ignore_patterns("__pycache__")
    )
    init = folder / "kfw" / "__init__.py"
    init.write_text(re.sub(r'__version__ = ".*"', '__version__ = "9.9.9"', init.read_text()))
    return folder


def test_a_new_versions_up_names_the_command_which_replaces_the_daemon(
    own_kfw: Program, where: str, newer: Path
) -> None:
    forwards = {"web": entry(where, "nodeport")}
    own_kfw.up(forwards)
    old = own_kfw.daemon()
    env = {**own_kfw.env, "PYTHONPATH": str(newer)}  # the daemon is told of the folder only

    def new_kfw(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "kfw", *arguments],
            env=env,
            cwd=own_kfw.project,
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )

    said = new_kfw("up").stderr
    assert f"(pid {old['pid']}) is kfw {old['version']}, this is kfw 9.9.9: `kfw restart --daemon`" in said
    assert own_kfw.daemon()["pid"] == old["pid"]
    with arrivals([forwards["web"]["localPort"]], 100) as load:
        until_more(load, 50)
        assert "kfw 9.9.9" in new_kfw("restart", "--daemon").stderr
        until_more(load, 50)
    assert load.failed == {}
    assert own_kfw.daemon()["version"] == "9.9.9"
    assert "this is kfw" not in new_kfw("up").stderr
