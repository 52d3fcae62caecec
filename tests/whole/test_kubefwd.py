"""A profile with the method kubefwd, with the daemon and the CLI whole; kubefwd itself is a stub, and so is what it forwards
to. As root, so that no sudo is in between."""

import os
import signal
import socket
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.methods.kubefwd.conftest import OWN, KubefwdStub
from tests.real.running import until
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Program

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="kubefwd is root's, and sudo may ask for a password"
)

Begin = Callable[..., Program]


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KubefwdStub:
    return KubefwdStub(tmp_path / "stub", monkeypatch)


@pytest.fixture
def begin(shared: Place, namespace: str, make_kfw: Make, stub: KubefwdStub) -> Begin:
    """A kfw whose config has these profiles: {"dev": ["web", "db"]}, each a service that the cluster has."""

    def made(profiles: dict[str, list[str]], **plan: Any) -> Program:
        services = [name for names in profiles.values() for name in names]
        for name in services:
            shared.apply(
                deployment(namespace, name, ports={"http": 8080}),
                service(namespace, name, service_port(stub.port, "http")),
            )
        stub.plans(*((namespace, name, stub.port, f"{name}-1", 8080) for name in services), **plan)
        env = {"KUBEFWD_STUB": str(stub.home), "KFW_KUBEFWD_HOSTS": str(stub.hosts)}
        kfw = make_kfw(shared.kubeconfig, **env)
        configure(kfw, namespace, profiles)
        return kfw

    return made


def configure(kfw: Program, namespace: str, profiles: dict[str, list[str]], **more: Any) -> None:
    entries = {
        profile: {
            "method": "kubefwd",
            "namespace": namespace,
            "portForwards": {
                name: {"target": f"service/{name}", "targetPort": "http", **more.get(name, {})}
                for name in names
            },
        }
        for profile, names in profiles.items()
    }
    kfw.configure({}, profiles=entries)


def says(row: dict[str, Any], text: bytes = b"hello") -> bytes:
    with socket.create_connection((row["localAddresses"][0], row["localPort"]), 5) as connection:
        connection.sendall(text)
        return connection.recv(100)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_profile_is_up_at_addresses_and_under_names_that_are_shown(begin: Begin, stub: KubefwdStub) -> None:
    kfw = begin({"dev": ["web", "db"]})
    assert "has no effect" not in kfw("config", "check").stderr
    kfw("up")
    rows = kfw.rows()
    for name in ("web", "db"):
        row = rows[name]
        assert (row["status"], row["method"], row["profile"]) == ("active", "kubefwd", "dev")
        assert row["localNames"][0] == name and row["localPort"] == stub.port
        assert f"{row['localAddresses'][0]} {name}\n" in stub.hosts.read_text()
        assert says(row) == b"hello"
    assert f"web:{stub.port}" in kfw("status").stdout
    explained = kfw.json("explain", "web")
    assert "as web, web." in next(one["why"] for one in explained["candidates"] if one["chosen"])
    assert any("root" in limit for limit in explained["limits"])
    assert len(stub.calls) == 1

    kfw("down")
    assert not alive(stub.calls[0].pid)
    assert stub.hosts.read_text() == f"127.0.0.1 localhost\n{OWN}"


def test_B34_when_the_daemon_is_killed_kubefwd_ends_its_names_go_and_all_comes_back(
    begin: Begin, stub: KubefwdStub
) -> None:
    kfw = begin({"dev": ["web", "db"]})
    kfw("up")
    before = kfw.status("web")
    os.kill(kfw.daemon_pid(), signal.SIGKILL)
    began = time.monotonic()
    until(lambda: not alive(stub.calls[0].pid), 10, lambda: "the end of kubefwd")
    until(lambda: "web" not in stub.hosts.read_text(), 5, lambda: stub.hosts.read_text())
    assert time.monotonic() - began < 10  # 2 s on a machine that is not busy
    assert stub.hosts.read_text() == f"127.0.0.1 localhost\n{OWN}"

    kfw("up")
    assert kfw.status("web")["localAddresses"] == before["localAddresses"]
    assert says(kfw.status("web")) == b"hello"


def test_FR_CORE_03_a_killed_kubefwd_is_back_with_another_pid_and_one_restart(
    begin: Begin, stub: KubefwdStub
) -> None:
    kfw = begin({"dev": ["web", "db"]})
    kfw("up")
    before = kfw.status("web")
    os.kill(stub.calls[0].pid, signal.SIGKILL)
    for name in ("web", "db"):
        row = kfw.until_row(name, 15, status="active", restarts=1)
        assert row["pid"] != before["pid"]
        assert says(row) == b"hello"
    assert len(stub.calls) == 2


def test_B35_FR_CONN_01_a_dead_forward_is_seen_in_five_seconds_and_carries_in_thirty(
    begin: Begin, stub: KubefwdStub
) -> None:
    kfw = begin({"dev": ["web", "db"]})
    kfw("up")
    began = time.monotonic()
    stub.kill_forward("web")
    kfw.until_row("web", 10, status="degraded")
    seen = time.monotonic() - began
    row = kfw.until_row("web", 45, status="active", restarts=1)
    back = time.monotonic() - began
    assert says(row) == b"hello"
    assert len(stub.calls) == 2  # one recovery, and one restart of kubefwd
    kfw.until_row("db", 15, status="active")
    print(f"seen after {seen:.1f} s, back after {back:.1f} s")
    assert seen < 5 and back < 30


def test_B32_without_root_it_is_tried_once_and_the_way_out_is_told(begin: Begin, stub: KubefwdStub) -> None:
    kfw = begin({"dev": ["web"]})
    stub.id_says(1000)
    kfw("up", code=5)
    row = kfw.status("web")
    assert (row["status"], row["reason"]) == ("error", "needs-root")
    assert "NOPASSWD: /usr/local/libexec/kfw-kubefwd" in row["message"]
    time.sleep(3)
    assert len(stub.calls) == 1

    stub.id_says(0)
    kfw("retry", "web")
    kfw.until_row("web", 15, status="active")


def test_FR_CONN_02_FR_CONN_03_FR_CONN_04_FR_CFG_04_the_pauses_grow_as_the_profile_says_and_three_attempts_are_all(
    begin: Begin, stub: KubefwdStub, namespace: str
) -> None:
    kfw = begin({"dev": ["web"]}, exit=1)
    retry = {"initialDelay": "0.2s", "multiplier": 3, "maxDelay": "1s", "maxAttempts": 3}
    configure(kfw, namespace, {"dev": ["web"]}, web={"retry": retry})
    kfw("up", "--no-wait")
    kfw.until_row("web", 40, status="error")
    time.sleep(2)
    moments = [float(call.env["AT"]) for call in stub.calls]
    assert len(moments) == 1 + 3
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert all(gap >= least for gap, least in zip(gaps, (0.2, 0.6, 1.0), strict=True)), gaps


def test_FR_CORE_06_FR_CLI_05_a_change_of_one_profile_leaves_the_other_kubefwd_alone(
    begin: Begin, stub: KubefwdStub, namespace: str
) -> None:
    kfw = begin({"dev": ["web"], "test": ["db"]})
    kfw("up")
    before = kfw.rows()
    pids = {name: before[name]["pid"] for name in ("web", "db")}
    assert before["web"]["localAddresses"] != before["db"]["localAddresses"]
    configure(kfw, namespace, {"dev": ["web"], "test": ["db"]}, db={"type": "web"})
    kfw("reload")
    row = kfw.until_row("db", 15, status="active")
    assert row["pid"] != pids["db"] and row["url"] == f"http://db:{stub.port}"
    assert kfw.status("web")["pid"] == pids["web"]


def test_the_state_of_kubefwd_is_private_and_holds_no_secret(begin: Begin, stub: KubefwdStub) -> None:
    kfw = begin({"dev": ["web"]}, say=["API key: s3cr3tkey99"])
    kfw.env["AWS_SECRET_ACCESS_KEY"] = "hunter2hunter2"
    kfw("up")
    files = [file for file in kfw.home.rglob("*") if file.is_file()]
    text = b"".join(file.read_bytes() for file in files)
    assert b"s3cr3tkey99" not in text and b"hunter2hunter2" not in text
    assert stub.calls[0].env["AWS_SECRET_ACCESS_KEY"] == "hunter2hunter2"
    for file in kfw.home.rglob("kubefwd/*"):
        assert file.stat().st_mode & 0o077 == 0
    assert b"hunter2hunter2" not in b"".join(
        Path(f"/proc/{pid}/cmdline").read_bytes() for pid in kfw.processes()
    )
