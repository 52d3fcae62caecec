"""kfw in somebody's hands: `up` in the foreground and while it waits, Ctrl+C once and twice, no terminal, no kubectl."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.running import until
from tests.stopwatch import in_time
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Entry, Program, listens

Running = subprocess.Popen[str]


@pytest.fixture
def web(shared: Place, namespace: str, port: int) -> Entry:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
    )
    return {"target": "service/web", "namespace": namespace, "localPort": port}


@pytest.fixture
def never(shared: Place, namespace: str, port: int) -> Entry:
    """Its pod is never ready."""
    stuck = deployment(namespace, "stuck", ports={"http": 8080}, env={"KFW_READY": "false"})
    shared.do(
        lambda sandbox: [
            sandbox.apply(stuck),
            sandbox.apply(service(namespace, "stuck", service_port(80, "http"))),
        ]
    )
    return {"target": "service/stuck", "namespace": namespace, "localPort": port}


def _says(process: Running, words: str) -> None:
    """Read stderr up to a line with these words."""
    assert process.stderr
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"it ended without saying {words!r}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("method", ["nodeport", "socat"])
def test_A40_ctrl_c_stops_the_forwards_says_so_and_exits_clean(
    own_kfw: Program, web: Entry, method: str, number: signal.Signals
) -> None:
    own_kfw.configure({"web": {**web, "method": method}})
    with own_kfw.popen("up", "--foreground") as up:
        _says(up, "web: active")
        assert talk.pod_behind(web["localPort"]).startswith("web-")
        up.send_signal(number)
        out, said = up.communicate(timeout=10)
    assert (up.returncode, out) == (0, "")
    assert said.splitlines()[-1] == "forwards stopped"
    assert "Traceback" not in said
    assert own_kfw.processes() == {}
    assert not listens(web["localPort"])


def test_A40_a_second_ctrl_c_while_it_cleans_up_ends_it_with_1_within_a_second(
    own_kfw: Program, web: Entry, tmp_path: Path
) -> None:
    """A socat that does not hear TERM makes the clean-up long; the next start ends what is left of it."""
    wrapper = tmp_path / "socat"
    wrapper.write_text(
        f"#!/bin/sh\ntrap '' TERM\n{shutil.which('socat')} \"$@\" &\nwhile :; do sleep 0.1; done\n"
    )
    wrapper.chmod(0o755)
    own_kfw.env["PATH"] = f"{tmp_path}{os.pathsep}{own_kfw.env['PATH']}"
    own_kfw.configure({"web": {**web, "method": "socat"}})
    with own_kfw.popen("up", "--foreground") as up:
        _says(up, "web: active")
        up.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert up.poll() is None
        try:
            until(lambda: _pressed_again(up), 3, lambda: "it has ended", pause=0.2)
        finally:
            up.kill()
        _, said = up.communicate(timeout=10)
    assert up.returncode == 1
    assert "Traceback" not in said
    own_kfw("start")
    until(lambda: not own_kfw.children("socat"), 5, lambda: "the next start ended them")


def _pressed_again(up: "subprocess.Popen[str]") -> bool:
    """On a busy machine the first one may not have been heard yet, and two are one then."""
    if up.poll() is None:
        up.send_signal(signal.SIGINT)
    return up.poll() is not None


@pytest.mark.parametrize(
    ("arguments", "code", "last"),
    [((), 130, "continuing in the background"), (("--foreground",), 0, "forwards stopped")],
)
def test_A38_ctrl_c_during_the_wait_for_a_pod_exits_at_once(
    own_kfw: Program, never: Entry, arguments: tuple[str, ...], code: int, last: str
) -> None:
    own_kfw.configure({"stuck": never})
    with own_kfw.popen("up", *arguments) as up:
        _says(up, "stuck: starting: no-ready-pod")
        pressed = time.monotonic()
        up.send_signal(signal.SIGINT)
        _, said = up.communicate(timeout=10)
        # The wait is for ever; 0.3 s on a machine that is not busy.
        assert in_time(time.monotonic() - pressed, 5)
    assert up.returncode == code
    assert last in said
    assert "Traceback" not in said


def test_A40_stop_and_down_twice_are_harmless(own_kfw: Program, web: Entry) -> None:
    own_kfw.up({"web": web})
    said = [
        own_kfw(*words).stderr.split(" (")[0].strip() for words in (["down"], ["down"], ["stop"], ["stop"])
    ]
    assert said[:2] == ["stopped: web", "nothing was up"]
    assert said[3] == "the daemon was not running"
    assert own_kfw("remove", "web", code=3).stderr.startswith("kfw: the daemon is not running")


def test_A16_without_kubectl_what_needs_it_says_so_with_the_line_that_installs_it(
    shared: Place, make_kfw: Make, web: Entry, path_without: Callable[[str], str]
) -> None:
    """And without a terminal: it runs as ever. `auto` does not need kubectl where a node port can be reached."""
    kfw = make_kfw(shared.kubeconfig, PATH=path_without("kubectl"))
    done = kfw.up({"web": {**web, "method": "kubectl"}}, code=8)
    row = kfw.status("web")
    assert (row["status"], row["reason"]) == ("error", "tool-missing")
    assert row["message"].startswith("cannot find kubectl on PATH; ")
    assert "install" in row["message"]
    assert "tool-missing: cannot find kubectl on PATH" in done.stderr
    kfw.up({"web": web})
    assert talk.pod_behind(web["localPort"]).startswith("web-")


def test_A16_profiles_that_select_are_followed_in_the_foreground_too(
    own_kfw: Program, web: Entry, namespace: str, shared: Place, ports: Callable[[int], list[int]]
) -> None:
    """Beside a forward that can never come up, which alone would end it."""
    one, two = ports(2)
    missing = {
        "target": "service/nope",
        "targetPort": 80,
        "namespace": namespace,
        "localPort": web["localPort"],
    }

    def put(name: str, number: int) -> None:
        shared.apply(
            deployment(namespace, name, ports={"http": 8080}),
            service(namespace, name, service_port(number, "http")),
        )

    put("first", one)
    profiles = {
        "dev": {"namespaces": [namespace], "excludeServices": ["web"]},
        "off": {"namespaces": ["kube-system"], "enabled": False},
    }
    own_kfw.configure({"nope": missing}, profiles=profiles)
    with own_kfw.popen("up", "--foreground") as up:
        _says(up, f"first: active on http://localhost:{one}")
        assert talk.pod_behind(one).startswith("first-")
        put("second", two)
        _says(up, f"second: active on http://localhost:{two}")
        shared.do(lambda sandbox: sandbox.delete("services", namespace, "first"))
        until(lambda: not listens(one), 10, lambda: "the port of what is gone is free")
        assert talk.pod_behind(two).startswith("second-")
        up.send_signal(signal.SIGINT)
        _, said = up.communicate(timeout=10)
    assert up.returncode == 0
    assert "Traceback" not in said
    assert not listens(two)


def test_A16_a_profile_of_which_nothing_can_be_listed_is_said_in_the_foreground(own_kfw: Program) -> None:
    own_kfw.configure({}, profiles={"dev": {"namespaces": ["made-later"]}})
    with own_kfw.popen("up", "--foreground") as up:
        _says(up, "profile dev: ")
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=10)
    assert up.returncode == 0
