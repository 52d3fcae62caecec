"""Kubeconfigs that are partly wrong, wholly wrong, or no files: a command says what, and the daemon goes on."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.whole.place import Place
from tests.whole.program import Entry, Program

BAD_CONFIG = 2


@pytest.fixture
def web(shared: Place, namespace: str, port: int) -> Entry:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
    )
    return {"target": "service/web", "targetPort": 80, "localPort": port, "namespace": namespace}


def with_faults(place: Place, file: Path) -> Path:
    """The sandbox's, with an entry of each kind that is wrong, and contexts that use them."""
    content: dict[str, Any] = yaml.safe_load(place.kubeconfig.read_text())
    good = content["contexts"][0]["context"]
    content["clusters"].append({"name": "bad", "cluster": {"server": "https://joe:S3CR3T@x:99999"}})
    content["users"].append({"name": "bad", "user": {"token": "S3CR3T\n"}})
    content["contexts"] += [
        {"name": "bad-cluster", "context": {**good, "cluster": "bad"}},
        {"name": "bad-user", "context": {**good, "user": "bad"}},
    ]
    file.write_text(yaml.safe_dump(content))
    return file


def test_a_faulty_entry_concerns_only_the_contexts_that_use_it(
    shared: Place, kfw: Program, web: Entry, tmp_path: Path
) -> None:
    file = with_faults(shared, tmp_path / "k")
    kfw.up({"web": {**web, "kubeconfig": str(file)}})
    assert kfw.status("web")["status"] == "active"

    for context, what in (("bad-cluster", "server has a port"), ("bad-user", "token holds a line break")):
        add = (
            "add",
            "b",
            "svc/web",
            f"{talk.free_ports(1)[0]}:80",
            "--kubeconfig",
            str(file),
            "--context",
            context,
        )
        done = kfw(*add, code=BAD_CONFIG)
        assert f"cannot read the kubeconfig {file}:" in done.stderr and what in done.stderr
        assert "S3CR3T" not in done.stdout + done.stderr
    assert kfw.status("web")["status"] == "active"


def sparse(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate(5 << 30)


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a device": lambda file: file.symlink_to("/dev/zero"),
    "a folder": lambda file: file.mkdir(),
    "half a file": lambda file: file.write_text("clusters: ["),
    "5 GB": sparse,
}


@pytest.mark.parametrize("how", UNREADABLE)
def test_one_that_becomes_unreadable_changes_nothing_that_runs_and_the_daemon_answers(
    shared: Place, kfw: Program, web: Entry, tmp_path: Path, how: str
) -> None:
    file = tmp_path / "k"
    file.write_bytes(shared.kubeconfig.read_bytes())
    kfw.up({"web": {**web, "kubeconfig": str(file)}})
    file.unlink()
    UNREADABLE[how](file)
    kfw("retry", "web")

    watch = kfw.stopwatch()
    assert kfw.ask("/v1/ping")["running"]
    assert watch.seconds() < 1
    kfw.until_row("web", status="active")
    assert talk.pod_behind(web["localPort"])
    done = kfw("reload", code=BAD_CONFIG)
    assert f"cannot read the kubeconfig {file}" in done.stderr
    assert kfw.status("web")["status"] == "active"
