"""Logins that need a person, whole: the plugin's words in `up`, `add` and `status`, and no browser for nobody."""

import base64
import json
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from kfw.sandbox.manifests import deployment, namespace, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.running import until
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import connected, listens

URL, CODE = "https://login.example/device?x=" + "y" * 120, "ABCD-EFGH"
DEVICE_CODE = (
    "Attempting to automatically open the SSO authorization page in your default browser.\\nIf the browser does not "
    f"open, open the following URL:\\n\\n{URL}\\n\\nThen enter the code:\\n\\n{CODE}\\n"
)


class Plugin:
    """A login plugin that waits until `go` is there, and notes each of its runs. `life`: seconds of its token."""

    def __init__(self, folder: Path, place: Place, *, arguments: Sequence[str] = ()) -> None:
        self.folder = folder
        self.go = folder / "go"
        self.runs_file = folder / "runs"
        self.kubeconfig = folder / "kubeconfig"
        path = folder / "sso-login"
        admin = yaml.safe_load(place.kubeconfig.read_text())
        [user] = [entry["user"] for entry in admin["users"]]
        status = {
            "clientCertificateData": base64.b64decode(user["client-certificate-data"]).decode(),
            "clientKeyData": base64.b64decode(user["client-key-data"]).decode(),
        }
        answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
        (folder / "answer").write_text(json.dumps(answer))
        path.write_text(
            f"#!{sys.executable}\nimport os, sys, time\n"
            f"open({str(self.runs_file)!r}, 'a').write('x')\n"
            f"if not os.path.exists({str(self.go)!r}):\n"
            f"    sys.stderr.write('{DEVICE_CODE}'); sys.stderr.flush()\n"
            f"while not os.path.exists({str(self.go)!r}): time.sleep(0.02)\n"
            f"print(open({str(folder / 'answer')!r}).read())\n"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        exec_entry = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(path)}
        admin["users"][0]["user"] = {
            "exec": {**exec_entry, "args": [*arguments], "interactiveMode": "IfAvailable"}
        }
        self.kubeconfig.write_text(yaml.safe_dump(admin))

    @property
    def runs(self) -> int:
        return len(self.runs_file.read_text()) if self.runs_file.exists() else 0


@pytest.fixture
def plugin(tmp_path: Path, shared: Place) -> Plugin:
    shared.apply(
        namespace("logins"),
        deployment("logins", "web", ports={"http": 8080}),
        service("logins", "web", service_port(80, "http")),
    )
    return Plugin(tmp_path, shared)


def entry(port: int) -> dict[str, Any]:
    return {
        "target": "service/web",
        "targetPort": 80,
        "localPort": port,
        "namespace": "logins",
        "method": "tunnel",
    }


class Lines:
    """What a program says, as it comes."""

    def __init__(self, program: "subprocess.Popen[str]") -> None:
        self.text = ""
        self._thread = threading.Thread(target=self._read, args=(program,), daemon=True)
        self._thread.start()

    def _read(self, program: "subprocess.Popen[str]") -> None:
        assert program.stderr
        for line in program.stderr:
            self.text += line


def test_up_and_status_show_what_a_person_has_to_do_and_go_on_when_it_is_done(
    plugin: Plugin, make_kfw: Make, port: int
) -> None:
    kfw = make_kfw(plugin.kubeconfig)
    kfw("start")
    kfw.configure({"web": entry(port)})
    with kfw.popen("up") as up:
        lines = Lines(up)
        until(lambda: plugin.runs, 10, lambda: "the plugin runs")
        watch = kfw.stopwatch()
        until(
            lambda: URL in lines.text and CODE in lines.text, 5, lambda: f"up says what to do: {lines.text}"
        )
        assert watch.seconds() < 2
        shown = " ".join(kfw("status", code=1).stdout.split())
        assert "login-pending: waiting for a login of user" in shown
        assert URL in shown and CODE in shown
        row = kfw.status("web")
        assert (row["status"], row["reason"]) == ("starting", "login-pending")
        assert up.poll() is None, "it waits for the person"
        plugin.go.touch()
        assert up.wait(20) == 0, lines.text
    assert kfw.status("web")["status"] == "active"
    assert plugin.runs == 1


def test_add_shows_it_too_and_a_person_who_does_not_come_leaves_a_sentence_and_no_second_browser(
    plugin: Plugin, make_kfw: Make, port: int
) -> None:
    kfw = make_kfw(plugin.kubeconfig)
    done = kfw("add", "web", "svc/web", f"{port}:80", "-n", "logins", "--timeout", "2s", code=5)
    assert URL in done.stderr and CODE in done.stderr
    assert plugin.runs == 1
    for _ in range(3):
        with connected(port):
            time.sleep(0.2)
    assert plugin.runs == 1, "who connects waits for the login that runs"
    plugin.go.touch()
    kfw.until_row("web", status="active")
    assert plugin.runs == 1


def test_a_daemon_that_starts_again_asks_nobody_twice_and_retry_or_a_connection_does(
    plugin: Plugin, make_kfw: Make, port: int
) -> None:
    kfw = make_kfw(plugin.kubeconfig)
    plugin.go.touch()
    kfw.up({"web": entry(port)})
    plugin.go.unlink()
    plugin.runs_file.unlink()
    kfw.kill_daemon()
    kfw("start")  # it brings back what was up; nobody waits for it
    until(lambda: plugin.runs, 10, lambda: "the plugin is tried once")
    kfw.until_row("web", reason="login-pending")
    with connected(port):  # somebody who waits
        plugin.go.touch()
        kfw.until_row("web", status="active")
    assert plugin.runs == 1


def test_port_forward_says_on_stderr_what_the_plugin_says(plugin: Plugin, make_kfw: Make, port: int) -> None:
    kfw = make_kfw(plugin.kubeconfig)
    with kfw.popen("port-forward", "-n", "logins", "svc/web", f"{port}:80") as forward:
        lines = Lines(forward)
        try:
            until(lambda: URL in lines.text and CODE in lines.text, 10, lambda: f"it says: {lines.text}")
            plugin.go.touch()
            until(lambda: listens(port), 10, lambda: lines.text)
        finally:
            forward.terminate()


ONLY_FOR_KUBECTL = (
    "import os, pathlib, sys\n"
    "who = pathlib.Path(f'/proc/{os.getppid()}/cmdline').read_bytes().split(b'\\0')\n"
    "if b'port-forward' not in who: sys.exit('only kubectl may log in here')\n"
)


@pytest.mark.skipif(sys.platform != "linux", reason="the plugin looks into /proc")
@pytest.mark.parametrize(
    ("target", "target_port"),
    [("service/web", 80), ("service/web", "http"), ("deployment/web", 8080), ("deployment/web", "http")],
)
def test_where_only_kubectl_can_log_in_the_method_kubectl_works(
    plugin: Plugin, make_kfw: Make, port: int, target: str, target_port: int | str
) -> None:
    plugin.go.touch()
    script = plugin.folder / "sso-login"
    first, rest = script.read_text().split("\n", 1)
    script.write_text(f"{first}\n{ONLY_FOR_KUBECTL}{rest}")
    kfw = make_kfw(plugin.kubeconfig)
    kfw.up({"web": {**entry(port), "target": target, "targetPort": target_port, "method": "kubectl"}})

    row = kfw.until_row("web", status="active")
    assert talk.pod_behind(port).startswith("web-")
    assert row["reason"] == "login-expired" and "only kubectl may log in here" in row["message"]
    with kfw.popen("up", "--method", "tunnel") as up:
        assert up.wait(30) == 5, "it says that it cannot"
