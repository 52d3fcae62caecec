"""What is wanted stays wanted: a flag, a `down` and a named `up` hold for what they were said of, whatever files do."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.running import until
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Entry, Program, connected


@pytest.fixture
def entries(shared: Place, namespace: str) -> Callable[..., dict[str, Entry]]:
    """`entries("api", "db")`: forwards that work, each to the one service that there is."""
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
    )

    def make(*names: str) -> dict[str, Entry]:
        numbers = talk.free_ports(len(names))
        common = {"target": "service/web", "targetPort": 80, "namespace": namespace}
        return {name: {**common, "localPort": port} for name, port in zip(names, numbers, strict=True)}

    return make


@pytest.fixture
def two_contexts(shared: Place, tmp_path: Path) -> Path:
    """The sandbox's kubeconfig with a second context, `other`, of the same cluster."""
    known = yaml.safe_load(shared.kubeconfig.read_text())
    known["contexts"].append({**known["contexts"][0], "name": "other"})
    (tmp_path / "two").write_text(yaml.safe_dump(known))
    return tmp_path / "two"


def contexts(kfw: Program) -> dict[str, str]:
    return {name: row["context"] for name, row in kfw.rows().items()}


def statuses(kfw: Program) -> dict[str, str]:
    return {name: row["status"] for name, row in kfw.rows().items()}


def test_a_flag_of_one_forward_never_moves_the_others_of_its_file(
    make_kfw: Make, two_contexts: Path, entries: Callable[..., dict[str, Entry]]
) -> None:
    kfw = make_kfw(two_contexts)
    kfw.up(entries("api", "db"))
    first = contexts(kfw)["db"]
    kfw("up", "api", "--context", "other")
    kfw("reload")
    assert contexts(kfw) == {"api": "other", "db": first}
    os.kill(kfw.daemon_pid(), signal.SIGHUP)
    kfw.kill_daemon()
    kfw("start")
    kfw("reload")
    assert contexts(kfw) == {"api": "other", "db": first}


def test_moment_15_what_down_ended_comes_back_by_its_name_or_a_bare_up_and_by_nothing_else(
    own_kfw: Program, entries: Callable[..., dict[str, Entry]]
) -> None:
    own_kfw.up(entries("api", "db"))
    own_kfw("down", "api")
    own_kfw("reload")
    assert statuses(own_kfw) == {"api": "stopped", "db": "active"}
    own_kfw.kill_daemon()
    own_kfw("start")
    own_kfw("reload")
    assert "api" not in own_kfw.rows()
    own_kfw("up", "api")
    assert statuses(own_kfw)["api"] == "active"
    own_kfw("down", "api")
    own_kfw("up")
    assert statuses(own_kfw) == {"api": "active", "db": "active"}


def test_up_starts_a_profile_that_its_file_disables_and_it_stays_up_through_a_reload(
    own_kfw: Program, entries: Callable[..., dict[str, Entry]]
) -> None:
    made = entries("api", "db", "old")
    dev = {"enabled": False, "portForwards": {"db": made["db"], "old": {**made["old"], "enabled": False}}}
    own_kfw.up({"api": made["api"]}, profiles={"dev": dev})
    assert statuses(own_kfw) == {"api": "active", "db": "disabled", "old": "disabled"}
    own_kfw("up", "dev")
    own_kfw("reload")
    assert statuses(own_kfw) == {"api": "active", "db": "active", "old": "disabled"}
    own_kfw("up", "old")
    own_kfw("reload")
    assert statuses(own_kfw)["old"] == "active"


def test_a_file_that_is_gone_for_a_moment_changes_nothing_that_runs_and_it_is_said(
    own_kfw: Program, entries: Callable[..., dict[str, Entry]]
) -> None:
    own_kfw.up(entries("api"))
    file = own_kfw.project / "kfw.yaml"
    file.rename(file.with_suffix(".away"))
    said = own_kfw("reload", code=2).stderr
    assert "kfw.yaml: the file is gone" in said
    assert "run `kfw up` to use what is there now" in said
    assert statuses(own_kfw) == {"api": "active"}
    (own_kfw.project.parent / "kfw.yaml").write_text(
        "portForwards: {}\n"
    )  # that of a folder above is another project
    own_kfw("reload", code=2)
    assert statuses(own_kfw) == {"api": "active"}
    file.with_suffix(".away").rename(file)
    assert own_kfw.json("reload")["unchanged"] == ["api"]


def test_FR_CLI_07_disable_holds_over_a_bare_up_and_a_restart_until_enable(
    own_kfw: Program, entries: Callable[..., dict[str, Entry]]
) -> None:
    own_kfw.up(entries("api", "db"))
    assert own_kfw.json("disable", "api")["disabled"] == ["api"]
    own_kfw("up")
    own_kfw.kill_daemon()
    own_kfw("start")
    own_kfw("reload")
    assert statuses(own_kfw)["api"] == "disabled"
    assert own_kfw.json("enable", "a*")["enabled"] == ["api"]
    own_kfw.until_row("api", status="active")
    assert "known: api, db" in own_kfw("disable", "nobody", code=2).stderr


def test_moments_13_14_down_ends_this_project_only_and_says_what_is_up_elsewhere(
    own_kfw: Program, entries: Callable[..., dict[str, Entry]]
) -> None:
    made = entries("api", "db")
    own_kfw.up({"api": made["api"]})
    other = own_kfw.project.with_name("other")
    other.mkdir()
    mine, own_kfw.project = own_kfw.project, other
    assert "but of others: api (`kfw down --all` stops them)" in own_kfw("down").stderr
    own_kfw.up({"db": made["db"]})
    own_kfw("down")
    assert statuses(own_kfw) == {"api": "active", "db": "stopped"}
    own_kfw("up")
    own_kfw("stop")
    own_kfw.project = mine
    assert "also started, as they were up before: db" in own_kfw("up").stderr
    assert own_kfw.json("down", "--all")["stopped"] == ["api", "db"]


def reloads(kfw: Program, since: int) -> list[str]:
    return [event["message"] for event in kfw.ask(f"/v1/events?since={since}") if event["type"] == "reload"]


def test_a_changed_file_is_applied_by_plan_without_a_command_and_the_event_has_the_names(
    own_kfw: Program, entries: Callable[..., dict[str, Entry]]
) -> None:
    made = entries("api", "db", "old", "new")
    new = made.pop("new")
    own_kfw.up(made)
    seq = own_kfw.seq()
    with connected(made["api"]["localPort"]) as live:
        del made["old"]
        made["db"]["hold"] = "20s"
        file = own_kfw.project / "kfw.yaml"
        own_kfw.configure({**made, "new": new}).rename(file.with_suffix(".edited"))
        file.with_suffix(".edited").rename(file)
        own_kfw.until_row("new", within=30, status="active")
        assert reloads(own_kfw, seq) == ["started: new; restarted: db; stopped: old"]
        live.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert live.recv(100).startswith(b"HTTP/1.")
    assert own_kfw.status("api")["totalConnections"] >= 1


def test_a_changed_file_that_is_wrong_changes_nothing_and_status_says_so_until_it_is_right(
    own_kfw: Program, entries: Callable[..., dict[str, Entry]]
) -> None:
    made = entries("api")
    own_kfw.up(made)
    file = own_kfw.project / "kfw.yaml"
    for wrong in ("portForwards: {api: [", None):
        if wrong:
            file.write_text(wrong)
        else:
            file.unlink()
        _until_said(own_kfw, "kfw.yaml:1:" if wrong else "the file is gone")
        assert statuses(own_kfw) == {"api": "active"}
    own_kfw.configure(made)
    until(lambda: not warnings(own_kfw), 30, lambda: str(warnings(own_kfw)))
    assert own_kfw.status("api")["restarts"] == 0


def _until_said(kfw: Program, words: str) -> None:
    until(lambda: any(words in said for said in warnings(kfw)), 30, lambda: f"{words!r}: {warnings(kfw)}")


def warnings(kfw: Program) -> list[str]:
    return list(kfw.ask("/v1/status")["daemon"]["warnings"])


def test_what_changed_while_no_daemon_ran_is_applied_when_one_starts(
    own_kfw: Program, entries: Callable[..., dict[str, Entry]]
) -> None:
    made = entries("api", "new")
    own_kfw.up({"api": made["api"]})
    own_kfw("stop")
    own_kfw.configure(made)
    own_kfw("start")
    own_kfw.until_row("new", within=30, status="active")


def test_explain_says_who_wants_it_and_where_each_value_comes_from(
    make_kfw: Make, two_contexts: Path, entries: Callable[..., dict[str, Entry]]
) -> None:
    kfw = make_kfw(two_contexts)
    kfw.up(entries("api", "db"))
    kfw("up", "api", "--context", "other")
    explained = kfw.json("explain", "api")
    assert explained["wanted"] == "up, by its name, with --context other"
    origins = {each["key"]: (each["value"], each["origin"]) for each in explained["origins"]}
    assert origins["context"] == ("other", "flag --context")
    assert origins["target"] == ("service/web", "project kfw.yaml:4")
    assert not any(origin.startswith("embedded") for _, origin in origins.values())
    assert "wanted: up, with its project\n" in kfw("explain", "db").stdout
