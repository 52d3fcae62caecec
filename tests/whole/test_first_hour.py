"""Moments of a first hour with kfw, typed as they were typed: what a new user, a daily user and a script did, and what they
expected to see. 35 were noted; the number of each is in the name of its test, here or where its subject is tested.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.tui.tmux import KFW, terminal
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Entry, Program, listens

Ports = Callable[[int], list[int]]
TESTS = Path(__file__).parents[1]
#: As clusters of EKS are called in a kubeconfig: the last word tells them apart.
EKS = "arn:aws:eks:eu-west-1:111122223333:cluster/"


@pytest.fixture
def web(shared: Place, namespace: str, port: int) -> Entry:
    """A service that can be forwarded to."""
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http", 8080)),
    )
    return {"target": "service/web", "targetPort": 80, "namespace": namespace, "localPort": port}


def test_each_moment_has_a_test() -> None:
    named = [
        line
        for file in TESTS.rglob("test_*.py")
        for line in file.read_text().splitlines()
        if "def test_" in line
    ]
    numbers = {
        int(number)
        for line in named
        for found in re.findall(r"_moments?((?:_\d\d)+)_", line)
        for number in found.strip("_").split("_")
    }
    assert sorted(numbers) == list(range(1, 36))


def test_moment_01_the_readme_begins_with_your_cluster_and_an_installation() -> None:
    first = (TESTS.parent / "README.md").read_text().split("\n## ")[1]
    assert first.startswith("Your cluster\n")
    typed = [line.strip() for line in first.splitlines() if line.startswith("    ")]
    assert re.match(r"(pipx|uv tool) install ", typed[0])
    assert 1 <= len([line for line in typed if line.startswith("kfw ")]) <= 3
    assert "make test" not in first


def test_moments_04_06_07_09_27_kubectls_order_a_typo_and_its_correction(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    local, other = ports(2)
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080, "admin": 9000}),
        service(
            namespace,
            "multi",
            service_port(local, "http", 8080),
            service_port(9000, "admin"),
            selector={"app": "web"},
        ),
        service(namespace, "amp-console", service_port(80, "http", 8080), selector={"app": "web"}),
    )
    # 7: a port has to be named; 9: what is in error holds one
    done = kfw("add", "svc/multi", f"{local}:htp", "-n", namespace, code=None)
    said = kfw.status("multi")["message"]
    assert said.endswith(
        f"; try `kfw add multi service/multi {local}`; its ports: {local} (http), 9000 (admin)"
    )
    assert "targetPort" not in done.stdout + done.stderr
    # 27: nothing is said five times, and nothing that is not so
    ways = " ".join(kfw("explain", "multi").stdout.split())
    assert ways.count("has no TCP port") == 1
    assert "one before it works" not in ways
    # 9: who comes next gets it
    kfw("add", "console", "svc/amp-console", f"{local}:80", "-n", namespace)
    assert talk.pod_behind(local).startswith("web-")
    assert f"port {local} went to 'console'" in kfw.status("multi")["message"]
    # 7: a port that is taken
    done = kfw("add", "svc/multi", f"{local}:9000", "-n", namespace, code=6)
    assert "--next-port" in done.stderr
    kfw("add", "svc/multi", f"{local}:9000", "-n", namespace, "--next-port")
    assert kfw.status("multi")["localPort"] not in (0, local)
    # 27: of what is not up
    kfw("down", "console")
    said = " ".join(kfw("explain", "console").stdout.split())
    assert "it is not connected: `kfw up console` starts it" in said
    assert not listens(local)
    # 6, and -l: the same name typed again
    kfw("add", "console", "svc/amp-consol", f"{other}:80", "-n", namespace, code=None)
    kfw("add", "console", "-l", "app=web", f"{other}:8080", "-n", namespace)
    assert kfw.status("console")["target"] == "pods/app=web"
    assert talk.pod_behind(other).startswith("web-")


def test_moment_05_the_row_says_which_port_was_taken_and_that_it_is_http(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    [local] = ports(1)
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(local, "http", 8080)),
    )
    shown = kfw("add", "web", "svc/web", "-n", namespace).stdout
    assert f"http://localhost:{local}" in shown
    assert f"service/web:{local}" in shown
    [replicaset] = shared.do(lambda sandbox: sandbox.list("replicasets", namespace))
    kfw("add", "old", f"rs/{replicaset['metadata']['name']}", ":http", "-n", namespace)
    assert talk.pod_behind(kfw.status("old")["localPort"]).startswith("web-")


def test_moment_10_two_clusters_of_eks_and_long_targets_can_be_told_apart_in_80_columns(
    shared: Place, namespace: str, make_kfw: Make, tmp_path: Path
) -> None:
    content = yaml.safe_load(shared.kubeconfig.read_text())
    [context] = content["contexts"]
    content["contexts"] = [{**context, "name": EKS + name} for name in ("dev", "prod")]
    content["current-context"] = EKS + "dev"
    (tmp_path / "kubeconfig").write_text(json.dumps(content))
    kfw = make_kfw(tmp_path / "kubeconfig")
    names = [f"observability-{name}" for name in ("collector", "gateway", "query")]
    kfw.up(
        {
            f"{name}-{where}": {"target": f"service/{name}", "targetPort": 80, "namespace": "openchoreo-x",
                                "context": EKS + where, "localPort": 0}
            for name in names for where in ("dev", "prod")
        },
        "--no-wait",
    )  # fmt: skip
    lines = [line.split() for line in kfw("status", code=1).stdout.splitlines() if "localhost" in line]
    assert max(len(" ".join(line)) for line in lines) <= 80
    assert all(line[0].rpartition("-")[2] == line[-1].rpartition("/")[2] for line in lines)
    wide = kfw("status", "-o", "wide", code=1).stdout
    assert all(f"openchoreo-x/service/{name}:80" in wide and EKS + "prod" in wide for name in names)


def test_moments_12_26_34_a_profile_is_a_name_everywhere(kfw: Program, web: Entry, ports: Ports) -> None:
    first, second, third = ports(3)
    profile = {"portForwards": {"api": {**web, "localPort": first}, "db": {**web, "localPort": second}}}
    kfw.configure({"other": {**web, "localPort": third}}, profiles={"sandbox": profile})
    kfw("up", "sandbox")
    assert [line.split()[0] for line in kfw("status", "sandbox").stdout.splitlines()[1:3]] == ["api", "db"]
    assert kfw("restart", "sandbox").stderr == "restarted: api, db\n"
    kfw("wait", "sandbox")
    # 34: a reason of its own
    told = kfw("events", "api").stdout
    assert "api: reconnecting: user-restarted: restarted by the user" in told
    assert "endpoint-gone" not in told
    assert kfw("down", "sandbox").stderr == "stopped: api, db\n"
    # 26: one voice
    for verb in ("up", "down", "status", "restart", "wait", "remove"):
        assert "did you mean api? known: api, " in kfw(verb, "apu", code=2).stderr
        assert "did you mean sandbox? known: " in kfw(verb, "sandbx", code=2).stderr


def test_moment_18_with_json_a_failure_is_json(kfw: Program, web: Entry) -> None:
    kfw.configure({"api": web})
    error = json.loads(kfw("up", "apo", "--json", code=2).stdout)["error"]
    assert error["message"] == "cannot find a forward named 'apo'"
    assert error["fix"].startswith("did you mean api?")
    assert error["exitCode"] == 2


def test_moment_20_in_the_foreground_each_error_is_said_once_and_the_end_has_its_code(
    kfw: Program, web: Entry
) -> None:
    with talk.listener() as taken:
        kfw.configure({"api": {**web, "localPort": taken}})
        done = kfw("up", "--foreground", code=6)
        assert done.stderr.count(f"cannot listen on {taken}") == 1
        [row] = json.loads(kfw("up", "--foreground", "--json", code=6).stdout)["forwards"]
    assert (row["status"], row["reason"]) == ("error", "port-in-use")


def test_moments_21_22_24_35_what_help_says(kfw: Program) -> None:
    serve = " ".join(kfw("serve", "--help").stdout.split())
    assert "reads no kfw.yaml" in serve and "kfw service install" in serve
    for shell in ("bash", "zsh", "fish"):
        assert f"kfw completion {shell}" in kfw("completion", shell).stdout
    said = kfw("--help").stdout
    assert "install-completion" not in said
    assert kfw("--install-completion", "zsh", code=2).stdout == ""
    assert re.findall(r"^(\w+):$", said, re.MULTILINE)[1:4] == ["Forwards", "Looking", "Configuration"]
    assert "..." not in said.replace("[ARGS]...", "") and max(map(len, said.splitlines())) <= 80
    assert not re.search("anew|close the ways|has said why|is none of|is no \\w", said)


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        *((word, 0, "web ") for word in ("ls", "list", "ps", "get")),
        ("help", 0, "Usage: kfw "),
        ("help up", 0, "Usage: kfw up "),
        ("rm nope", 2, "did you mean|known: web"),
        ("delete nope", 2, "known: web"),
        ("ui", 2, "`kfw tui`"),
        ("pu", 2, "`kfw up`"),
        ("start web", 2, "`kfw up web` starts forwards"),
        ("-v", 0, "kfw "),
        ("get -o json", 0, '"forwards": '),
        ("logs --tail 1", 0, " INFO |WARNING "),
        ("logs --since 10m", 0, "web: active"),
    ],
)
def test_moment_25_habits_from_other_tools(up_with_web: Program, typed: str, code: int, said: str) -> None:
    done = up_with_web(*typed.split(), code=code)
    assert re.search(said, done.stdout + done.stderr)


@pytest.fixture(scope="module")
def up_with_web(_program: Program, shared: Place, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The shared daemon with a forward that is active, for who only looks; `kfw` of the next test removes it."""
    shared.apply(
        deployment("default", "web", ports={"http": 8080}),
        service("default", "web", service_port(80, "http", 8080)),
    )
    _program.project = tmp_path_factory.mktemp("habits")
    _program("add", "web", "svc/web", f"{talk.free_ports(1)[0]}:80", "-n", "default")
    return _program


def test_moments_28_31_local_times_and_ascii(up_with_web: Program) -> None:
    kfw = up_with_web
    before = dict(kfw.env)
    try:
        kfw.env["TZ"] = "Asia/Tokyo"
        assert {re.search(r"\+\d\d:00", kfw(*words).stdout)[0] for words in (["logs"], ["events"])} == {
            "+09:00"
        }  # type: ignore[index]
        for variable in ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"LANG": "C"}):
            kfw.env.update({"LC_ALL": "", "LC_CTYPE": "", **variable})
            assert "web   * active" in kfw("status").stdout
    finally:
        kfw.env.clear()
        kfw.env.update(before)


def test_moments_29_30_an_error_is_there_once_and_a_long_name_whole_in_60_by_15(
    kfw: Program, web: Entry, tmp_path: Path
) -> None:
    name = "traces-observer-of-the-data-plane"
    kfw.configure({name: {**web, "type": "web"}, "bad": {**web, "target": "service/nope", "localPort": 0}})
    given = {**kfw.env, "NO_COLOR": "1", "COLUMNS": ""}
    sockets = Path(os.path.realpath(kfw.folder))
    with terminal(sockets, size=(60, 15), **given) as shown:
        shown.type(f"cd {kfw.project}; clear; {KFW} up; echo code $?")
        screen = shown.wait_for("code 1")
    assert screen.count("target-not-found") == 1
    [row] = [line for line in screen.splitlines() if "http://localhost:" in line]
    assert row.startswith(f"{name[:4]}") and len(row) <= 60
    assert all(len(line) <= 60 for line in screen.splitlines())
    assert "traces-observer" in row or "…" in row.split()[0]


def test_moment_32_the_end_of_bootstrap_is_what_works_and_how_to_stop_it(own_kfw: Program) -> None:
    done = own_kfw("bootstrap", "--sandbox", "--yes", code=None, timeout=120)
    *_, last = done.stderr.splitlines()
    assert last.startswith("bootstrap: to end the forwards: ") and "to remove it all: " in last
    told = [line for line in done.stderr.splitlines() if line[:1] in "✓✗"]
    assert len(told) == 5
    assert done.stderr.count("straight to the node") <= 1


def test_words_the_container_port_is_told_from_the_service_port(
    kfw: Program, web: Entry, namespace: str
) -> None:
    said = kfw("add", "svc/web", f"{web['localPort']}:8080", "-n", namespace, code=1).stderr
    assert "service web has no TCP port 8080: it is the container's port behind 80; try `kfw add" in said
