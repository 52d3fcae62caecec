"""kfw up and kfw add: what is asked of the daemon, what is said meanwhile, and the exit code."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kfw import cli
from tests.client.fake_daemon import FakeDaemon, answer, event, refusal, row
from tests.commands.project import configure
from tests.stopwatch import Stopwatch

Captured = pytest.CaptureFixture[str]
API = {"target": "service/api", "targetPort": "http", "localPort": 9080}
DB = {"target": "statefulset/db", "targetPort": 5432, "localPort": 5432}


def asked(daemon: FakeDaemon) -> dict[str, Any]:
    return dict(daemon.body_of("POST /v1/up"))


def test_up_asks_for_all_that_is_configured(project: Path, daemon: FakeDaemon, capsys: Captured) -> None:
    file = configure(project, {"api": API, "db": DB | {"enabled": False}})
    daemon.forwards = [row("api"), row("db", "disabled")]
    assert cli.run(["up"]) == 0
    request = asked(daemon)
    assert request["replace"] is True
    assert request["source"]["key"] == str(file)
    assert request["source"]["cwd"] == str(project)
    assert request["source"]["kubeconfig"] == str(project / "kubeconfig")
    api, db = request["forwards"]
    assert (api["name"], api["context"], api["namespace"]) == ("api", "kind-dev", "shop")
    assert (db["name"], db["enabled"]) == ("db", False)
    out, err = capsys.readouterr()
    assert out.splitlines()[1].startswith("api   ● active")
    assert "api: active on http://localhost:8080" in err


def test_up_says_in_one_line_what_kfw_does_not_do_yet(
    project: Path, daemon: FakeDaemon, capsys: Captured
) -> None:
    file = configure(project, {"api": API}, monitoringInterval="1s", daemon={"logFile": "x"})
    daemon.forwards = [row("api")]
    assert cli.run(["up"]) == 0
    said = (
        "kfw: the configuration has settings that kfw does not act on yet: monitoringInterval, daemon.logFile"
    )
    assert f"{said}; `kfw config check` shows where\n" in capsys.readouterr().err
    assert cli.run(["up", "--config", str(file)]) == 0
    assert capsys.readouterr().err.count(f"{said}; `kfw config check {file}` shows where\n") == 1


def test_up_with_names_touches_only_these(project: Path, daemon: FakeDaemon) -> None:
    configure(project, {"api": API, "db": DB})
    daemon.forwards = [row("db")]
    assert cli.run(["up", "db"]) == 0
    assert [forward["name"] for forward in asked(daemon)["forwards"]] == ["db"]
    assert asked(daemon)["replace"] is False


def test_a_disabled_forward_that_is_named_is_wanted(project: Path, daemon: FakeDaemon) -> None:
    configure(project, {"db": DB | {"enabled": False}})
    daemon.forwards = [row("db")]
    assert cli.run(["up", "db"]) == 0
    assert asked(daemon)["forwards"][0]["enabled"] is True


def test_a_profile_can_be_named_too(project: Path, daemon: FakeDaemon) -> None:
    configure(project, {"api": API}, profiles={"dev": {"portForwards": {"db": DB}}})
    daemon.forwards = [row("db")]
    assert cli.run(["up", "dev"]) == 0
    assert [forward["name"] for forward in asked(daemon)["forwards"]] == ["db"]


def test_flags_go_to_the_forwards_and_are_kept_for_reload(project: Path, daemon: FakeDaemon) -> None:
    configure(project, {"api": API})
    daemon.forwards = [row("api")]
    assert cli.run(["up", "--context", "prod", "-n", "other", "--method", "nodeport"]) == 0
    forward = asked(daemon)["forwards"][0]
    assert (forward["context"], forward["namespace"], forward["method"]) == ("prod", "other", "nodeport")
    assert asked(daemon)["source"]["flags"] == {"context": "prod", "namespace": "other", "method": "nodeport"}


def test_without_a_project_the_config_files_given_name_the_set(project: Path, daemon: FakeDaemon) -> None:
    configure(project, {"api": API}).rename(project / "other.yaml")
    daemon.forwards = [row("api")]
    assert cli.run(["up", "--config", "other.yaml"]) == 0
    source = asked(daemon)["source"]
    assert source["key"] == str(project / "other.yaml")
    assert source["configFiles"] == [str(project / "other.yaml")]


def test_a_profile_that_selects_goes_to_the_daemon_as_it_is_with_its_context_pinned(
    project: Path, daemon: FakeDaemon
) -> None:
    configure(project, {"api": API}, profiles={"by-label": {"namespaces": ["shop"], "labels": ["a=b"]}})
    daemon.forwards = [row("api")]
    assert cli.run(["up"]) == 0
    (selection,) = next(body for request, body in daemon.asked if "/v1/up" in request)["selections"]
    assert (selection["namespaces"], selection["labels"]) == (["shop"], "a=b")
    assert selection["template"]["context"] == "kind-dev"


@pytest.mark.parametrize(
    ("files", "argv", "words"),
    [
        ({"api": API}, ["up", "apu"], "did you mean api? known: api"),
        ({"api": API | {"tagret": "x"}}, ["up"], "kfw.yaml:1:"),
        ({"api": API | {"localPort": 70000}}, ["up"], "kfw.yaml:1:"),
        ({"api": API}, ["up", "--context", "nowhere"], "kind-dev, prod"),
        ({"api": API}, ["up", "--config", "absent.yaml"], "absent.yaml"),
        ({"api": API}, ["up", "--method", "magic"], "--method"),
        ({"api": API}, ["up", "--timeout", "soon"], "30s"),
        ({}, ["up"], "has no forwards yet"),
    ],
)
def test_what_is_wrong_with_the_config_is_2_before_anything_starts(
    project: Path, home: Path, files: dict[str, Any], argv: list[str], words: str, capsys: Captured
) -> None:
    configure(project, files)
    assert cli.run(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("kfw: ")
    assert words in err
    assert not (home / "run").exists()  # no daemon was started


def test_up_follows_each_forward_until_it_is_ready(
    project: Path, daemon: FakeDaemon, capsys: Captured
) -> None:
    configure(project, {"api": API, "db": DB})
    daemon.forwards = [row("api", "starting"), row("db", "starting")]
    waiting = row("db", "reconnecting", reason="no-ready-pod", message="db has no ready pod")
    daemon.events = [event(1, row("api")), event(2, waiting), event(3, row("other")), event(4, row("db"))]
    assert cli.run(["up"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "api: starting",
        "db: starting",
        "api: active on http://localhost:8080",
        "db: reconnecting: no-ready-pod: db has no ready pod",
        "db: active on http://localhost:8080",
    ]


def test_an_event_that_is_older_than_the_status_changes_nothing(project: Path, daemon: FakeDaemon) -> None:
    configure(project, {"api": API, "db": DB})
    daemon.forwards = [row("api", since="2026-11-21T09:00:00.000Z"), row("db", "starting")]
    daemon.events = [event(1, row("api", "error", reason="port-in-use")), event(2, row("db"))]
    assert cli.run(["up"]) == 0


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        ("error", "port-in-use", 6),
        ("error", "target-not-found", 1),
        ("suspended", "cluster-unreachable", 4),
        ("suspended", "login-expired", 5),
        ("error", "tool-missing", 8),
    ],
)
def test_a_forward_that_says_why_not_ends_the_wait_with_its_exit_code(
    project: Path, daemon: FakeDaemon, status: str, reason: str, code: int
) -> None:
    configure(project, {"api": API})
    daemon.forwards = [row("api", "starting")]
    daemon.events = [event(1, row("api", status, reason=reason, message="why"))]
    assert cli.run(["up"]) == code


def test_A38_what_is_never_ready_is_7_after_the_timeout(project: Path, daemon: FakeDaemon) -> None:
    configure(project, {"api": API})
    daemon.forwards = [row("api", "starting")]
    begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    daemon.replies["GET /v1/events?follow=true"] = begun
    daemon.hold = 1.0
    watch = Stopwatch()
    assert cli.run(["up", "--timeout", "200ms"]) == 7
    assert watch.seconds() < 1


def test_no_wait_returns_at_once(project: Path, daemon: FakeDaemon) -> None:
    configure(project, {"api": API})
    daemon.forwards = [row("api", "starting")]
    assert cli.run(["up", "--no-wait"]) == 0
    assert not any("events" in request for request in daemon.requests())


def test_up_with_json_is_the_status_of_its_forwards(
    project: Path, daemon: FakeDaemon, capsys: Captured
) -> None:
    configure(project, {"api": API})
    daemon.forwards = [row("api"), row("of-another-project")]
    assert cli.run(["up", "--json"]) == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)["forwards"]] == ["api"]


def test_up_again_tries_at_once_what_was_in_error(project: Path, daemon: FakeDaemon) -> None:
    configure(project, {"api": API, "db": DB})
    daemon.forwards = [row("api", "error", reason="port-in-use"), row("db")]
    daemon.replies["POST /v1/up"] = answer(
        {"started": [], "restarted": [], "stopped": [], "unchanged": ["api", "db"]}
    )
    cli.run(["up"])
    assert daemon.body_of("POST /v1/retry") == {"names": ["api"]}


def test_a_refusal_of_the_daemon_is_shown(project: Path, daemon: FakeDaemon, capsys: Captured) -> None:
    configure(project, {"api": API})
    daemon.replies["POST /v1/up"] = refusal("'api' is up already, from elsewhere", exit_code=2)
    assert cli.run(["up"]) == 2
    assert capsys.readouterr().err == "kfw: 'api' is up already, from elsewhere\n"


def test_A38_ctrl_c_during_the_wait_exits_at_once_and_says_what_goes_on(
    project: Path, daemon: FakeDaemon
) -> None:
    configure(project, {"api": API})
    daemon.forwards = [row("api", "starting")]
    daemon.replies["GET /v1/events?follow=true"] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    daemon.hold = 5.0
    child = subprocess.Popen(
        [sys.executable, "-m", "kfw", "up"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    assert child.stderr.readline() == "api: starting\n"
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=5)
    assert child.returncode == 130
    assert out == ""
    assert err == "\ncontinuing in the background: `kfw status` shows it, `kfw down` stops it\n"


# -- add


@pytest.mark.parametrize(
    ("ports", "local", "remote"),
    [
        ([], 0, None),
        (["80"], 8080, 80),
        (["443"], 8443, 443),
        (["8443"], 8443, 8443),
        (["http"], 0, "http"),
        (["9000:80"], 9000, 80),
        (["9000:http"], 9000, "http"),
        ([":80"], 0, 80),
    ],
)
def test_A36_the_local_port_follows_from_the_remote_one(
    project: Path, daemon: FakeDaemon, ports: list[str], local: int, remote: int | str | None
) -> None:
    daemon.replies["POST /v1/up"] = answer(
        {"started": ["api"], "restarted": [], "stopped": [], "unchanged": []}
    )
    daemon.forwards = [row("api", "stopped", reason="user-stopped")]
    cli.run(["add", "api", "svc/api", *ports, "--no-wait"])
    forward = asked(daemon)["forwards"][0]
    assert (forward["local_port"], forward["target_port"]) == (local, remote)
    assert (forward["context"], forward["namespace"]) == ("kind-dev", "shop")
    assert asked(daemon)["source"]["key"] == "added"
    assert asked(daemon)["replace"] is False


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["api", "svc/api", "0"], "'0' is not a port"),
        (["api", "svc/api", "65536"], "'65536' is not a port"),
        (["api", "svc/api", "70000:80"], "'70000' is not a port"),
        (["api", "svc/api", "x:80"], "'x' is not a port"),
        (["api", "svc/api", "80:"], "'' is not a port"),
        (["api", "svc/api", "80:HTTP"], "'HTTP' is not a port"),
        (["api", "svc/"], "service/api"),
        (["api", "ingress/api", "80"], "service, pod"),
        (["My Api", "svc/api", "80"], "lower-case"),
        (["api", "svc/api", "80", "--method", "magic"], "auto, tunnel"),
        (["api", "svc/api", "80", "--type", "magic"], "web, rest"),
        (["api", "svc/api", "80", "--context", "nowhere"], "kind-dev, prod"),
    ],
)
def test_A36_bad_arguments_of_add_are_2_before_anything_starts(
    project: Path, home: Path, argv: list[str], words: str, capsys: Captured
) -> None:
    assert cli.run(["add", *argv]) == 2
    assert words in capsys.readouterr().err
    assert not (home / "run").exists()


def test_A36_a_local_port_of_another_forward_is_refused_by_name(
    project: Path, daemon: FakeDaemon, capsys: Captured
) -> None:
    daemon.forwards = [row("web", localPort=8080)]
    assert cli.run(["add", "api", "svc/api", "80"]) == 6
    assert "cannot listen on 8080: the forward 'web' has it" in capsys.readouterr().err
    assert "POST /v1/up" not in daemon.requests()


def test_a_name_that_is_taken_is_refused(project: Path, daemon: FakeDaemon, capsys: Captured) -> None:
    daemon.forwards = [row("api")]
    assert cli.run(["add", "api", "svc/other", "9000"]) == 2
    assert "a forward named 'api' exists already, to shop/service/api" in capsys.readouterr().err
