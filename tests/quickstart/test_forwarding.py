"""The forwards: names and namespaces of the config, the overlay, up and verify, the ways they go."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kfw.config.layers import load
from kfw.engine.reachability import Here
from kfw.model import Status
from kfw.protocol import Candidate, Explanation, ForwardStatus
from kfw.quickstart import forwarding
from kfw.quickstart.bootstrap import Bootstrap
from kfw.quickstart.kind_cluster import BootstrapCluster
from kfw.quickstart.options import BootstrapOptions, Namespaces, quick_start
from tests.quickstart.world import Machine

DEV = BootstrapCluster(Path("/k"), "kind-dev", "dev")
NAMES = "amp-console amp-api amp-traces-observer data-prepper gateway-external"
SPACES = Namespaces(amp="agents", data_plane="plane")


@pytest.fixture
def options(tmp_path: Path) -> BootstrapOptions:
    return BootstrapOptions(folder=tmp_path, config=quick_start() / "kfw.yaml")


def run(machine: Machine, options: BootstrapOptions, env: dict[str, str] | None = None) -> Bootstrap:
    return Bootstrap(machine.steps(), options, env or {}, here=Here("linux", in_container=False, env={}))


def test_up_and_verify_are_kfws_own_commands_for_this_cluster(options: BootstrapOptions) -> None:
    machine = Machine()
    assert run(machine, options).forwards(DEV) == 0
    files = f"--config {options.config} --config {options.overlay}"
    ours = " ".join(f"{options.folder.name}/overlay/{name}" for name in NAMES.split())
    assert machine.kfw == [f"up {files} --kubeconfig /k --context kind-dev {NAMES}", f"verify {ours}"]


@pytest.mark.parametrize(
    ("code", "ran"), [(2, ["up"]), (4, ["up"]), (6, ["up", "verify"]), (8, ["up", "verify"])]
)
def test_what_up_says_is_the_exit_code_and_what_came_up_is_verified_all_the_same(
    options: BootstrapOptions, code: int, ran: list[str]
) -> None:
    machine = Machine()
    machine.kfw_code = code
    assert run(machine, options).forwards(DEV) == code
    assert [line.split()[0] for line in machine.kfw] == ran


def test_what_comes_next_is_said_and_with_verbose_what_runs(options: BootstrapOptions) -> None:
    machine = Machine()
    machine.says("kubectl", "amp-api-1 Running\n")
    run(machine, options).closing_words(DEV)
    [said] = machine.said
    assert said.startswith("to end the forwards: ") and "; to remove it all: " in said
    assert machine.ran == []
    loud = Bootstrap(machine.steps(verbose=True), options, {}, here=Here("linux", in_container=False, env={}))
    loud.closing_words(DEV)
    assert [line.rpartition(" ")[2] for line in machine.ran] == (
        ["wso2-amp", "openchoreo-observability-plane", "openchoreo-data-plane"]
    )


def test_in_the_foreground_up_is_all(options: BootstrapOptions) -> None:
    machine = Machine()
    run(machine, options).forwards(DEV, foreground=True)
    assert machine.kfw[0].startswith("up --foreground")
    assert len(machine.kfw) == 1


def test_other_namespaces_come_as_an_overlay_that_the_config_reads_last(
    options: BootstrapOptions, tmp_path: Path
) -> None:
    options = replace(options, namespaces=SPACES)
    forwarding.write_overlay(Machine().steps(), options, "0.0.0.0")
    settings = load(tmp_path, config_files=[options.config, options.overlay], user_file=tmp_path / "none")
    spaces = {name: forward.namespace for name, forward in settings.forwards.items()}
    assert spaces["amp-api"] == spaces["amp-console"] == "agents"
    assert spaces["gateway-external"] == "plane"
    assert spaces["data-prepper"] == "openchoreo-observability-plane"
    assert settings.forwards["amp-api"].addresses == ("0.0.0.0",)
    assert settings.forwards["amp-api"].local_port == 8080


def test_an_overlay_is_there_also_when_it_adds_nothing(options: BootstrapOptions) -> None:
    forwarding.write_overlay(Machine().steps(), options)
    assert json.loads(options.overlay.read_text()) == {}


def test_B10_the_way_is_said_with_why_a_better_one_was_not_to_be_had() -> None:
    patch = "service amp-api is of type ClusterIP, so it has no node port"
    candidates = [
        Candidate(method="nodeport", chosen=False, why=patch),
        Candidate(method="tunnel", chosen=True, why="goes to pod amp-api-1:8080"),
        Candidate(method="kubectl", chosen=False, why="could be used"),
    ]
    row = _row("amp-api", "tunnel")
    lines = forwarding.ways(
        {"amp-api": row}, {"amp-api": Explanation(forward=row, candidates=candidates, limits=[])}
    )
    assert lines == [f"amp-api: through the API (tunnel); not nodeport: {patch}"]


def _row(name: str, method: str) -> ForwardStatus:
    return ForwardStatus(
        name=name,
        status=Status.ACTIVE,
        context="kind-dev",
        namespace="wso2-amp",
        target=f"service/{name}",
        method=method,
        local_port=8080,
        configured_port=8080,
        url="http://localhost:8080",
        since="2026-01-01T00:00:00Z",
    )
