"""start, stop, status and restart of the daemon, as a person or a script uses them."""

import json
import os
import pty
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real.running import KFW, until
from tests.stopwatch import in_time
from tests.whole.place import Place
from tests.whole.program import Entry, Program, connected

Ports = Callable[[int], list[int]]


@pytest.fixture
def web(shared: Place, namespace: str, port: int) -> Entry:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
    )
    return {"target": "service/web", "namespace": namespace, "localPort": port}


def test_FR_CLI_01_NFR_PERF_03_start_returns_in_two_seconds_and_the_daemon_answers(own_kfw: Program) -> None:
    began = time.monotonic()
    own_kfw("start")
    assert own_kfw.answers()
    assert in_time(time.monotonic() - began, 2)
    pid = own_kfw.daemon_pid()
    assert "already running" in own_kfw("start").stderr
    assert own_kfw.daemon_pid() == pid


def test_FR_CORE_01_the_daemon_outlives_the_terminal_that_started_it(own_kfw: Program) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(own_kfw.project)
        os.execve(KFW, [str(KFW), "start"], own_kfw.env)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)  # whoever still had it as the controlling terminal gets SIGHUP
    daemon = own_kfw.daemon_pid()
    assert os.getsid(daemon) == daemon
    assert not any(map(_is_terminal, Path(f"/proc/{daemon}/fd").iterdir()))
    time.sleep(0.5)
    assert own_kfw.daemon_pid() == daemon


def _is_terminal(fd: Path) -> bool:
    try:
        return str(fd.readlink()).startswith(("/dev/pts", "/dev/tty"))
    except FileNotFoundError:  # closed meanwhile
        return False


def test_FR_CLI_02_stop_ends_it_and_stopping_twice_is_no_error(own_kfw: Program) -> None:
    own_kfw("start")
    own_kfw("stop")
    assert not own_kfw.answers()
    until(lambda: not own_kfw.processes(), 2, lambda: f"nothing is left of {own_kfw.processes()}")
    own_kfw("stop")


def test_FR_CLI_03_status_shows_what_is_up_and_without_a_daemon_it_is_3_and_still_json(
    own_kfw: Program, web: Entry
) -> None:
    stopped = own_kfw("status", "--json", code=3)
    assert json.loads(stopped.stdout)["forwards"] == []
    own_kfw.up({"api": web}, profiles={"dev": {"portForwards": {"db": {**web, "localPort": 0}}}})
    rows = own_kfw.json("status")["forwards"]
    assert {row["name"]: row["status"] for row in rows} == {"api": "active", "db": "active"}
    assert all(row["since"] for row in rows)


def test_FR_CLI_04_after_a_restart_of_the_daemon_pid_and_counters_are_as_they_should_be(
    own_kfw: Program, web: Entry
) -> None:
    own_kfw.up({"api": web})
    with connected(int(web["localPort"])) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.recv(1)
    before, pid = own_kfw.status("api")["totals"], own_kfw.daemon_pid()
    own_kfw("restart", "--daemon", "--drain", "1s")
    own_kfw.until_row("api", status="active")
    assert own_kfw.daemon_pid() != pid
    after = own_kfw.status("api")["totals"]
    assert after["connections"] >= before["connections"] >= 1


def test_FR_CFG_02_a_name_that_is_there_twice_is_an_error_with_both_lines(
    own_kfw: Program, web: Entry
) -> None:
    (own_kfw.project / "kfw.yaml").write_text(
        "portForwards:\n  api:\n    target: service/web\n  db:\n    target: service/db\n  api:\n    target: service/x\n"
    )
    said = own_kfw("up", code=2).stderr
    assert "kfw.yaml:6:3" in said
    assert "api" in said
    assert not own_kfw.answers()


def test_FR_CFG_05_a_profile_that_is_off_is_a_row_without_a_process_and_its_file_stays_as_it_is(
    own_kfw: Program, web: Entry, port: int
) -> None:
    text = (
        "# ours\nprofiles:\n  dev:   # by hand\n    enabled: false\n    portForwards:\n"
        f"      api: {{target: service/web, namespace: {web['namespace']}, localPort: {port}}}\n"
    )
    file = own_kfw.project / "kfw.yaml"
    file.write_text(text)
    own_kfw("start")  # else the daemon ends with the last that is on
    own_kfw("up", code=None)
    assert own_kfw.status("api")["status"] == "disabled"
    own_kfw("enable", "dev")
    own_kfw.until_row("api", status="active")
    own_kfw("disable", "dev")
    assert own_kfw.status("api")["status"] == "disabled"
    assert file.read_text() == text


def test_NFR_PERF_02_a_killed_child_is_seen_in_half_a_second(own_kfw: Program, web: Entry) -> None:
    own_kfw.up({"api": {**web, "method": "kubectl"}})
    seq = own_kfw.seq()
    pid = own_kfw.children("port-forward")[0]
    watch = own_kfw.stopwatch()
    os.kill(pid, 9)
    until(lambda: own_kfw.history("api", seq), 5, lambda: "the loss is told")
    assert watch.seconds() < 0.5
    assert own_kfw.history("api", seq)[0]["reason"] == "child-exited"
