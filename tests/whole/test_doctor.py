"""kfw doctor: for each hop a real fault, which is the first that is named; behind it nothing is asked."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from kfw import cli
from kfw.doctor.hops import HOPS, Hop, hops_of
from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.cli.terminal import on_a_terminal
from tests.kube.fake_api import FakeApi
from tests.loop_thread import loop_thread
from tests.real import talk
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Program

WEB = {"http": 8080}
Captured = pytest.CaptureFixture[str]


@dataclass
class Case:
    """What is written, changed by a fault before the doctor comes. `forward` is `api` of the config."""

    shared: Place
    namespace: str
    port: int
    folder: Path
    forward: dict[str, Any] = field(default_factory=dict)
    kubeconfig: dict[str, Any] = field(default_factory=dict)
    text: str = ""  # of kfw.yaml, in place of `forward`
    path: str = ""  # $PATH

    @property
    def cluster(self) -> dict[str, Any]:
        return dict.__getitem__(self.kubeconfig["clusters"][0], "cluster")


Fault = Callable[[Case], AbstractContextManager[object]]


def at_once(change: Callable[[Case], object]) -> Fault:
    def fault(case: Case) -> AbstractContextManager[object]:
        change(case)
        return nullcontext()

    return fault


def _no_socat(case: Case) -> None:
    case.forward["method"] = "socat"
    case.path = str(case.folder)


def _closed_port(case: Case) -> None:
    case.cluster["server"] = f"https://127.0.0.1:{talk.free_ports(1)[0]}"


def _wrong_token(case: Case) -> None:
    case.kubeconfig["users"][0]["user"] = {"token": "expired-long-ago-0123456789"}


def _user_who_may_only_look(case: Case) -> None:
    file = case.shared.do(lambda sandbox: sandbox.add_user("looker", case.namespace, verbs=["list", "watch"]))
    case.kubeconfig = yaml.safe_load(file.read_text())
    case.forward["method"] = "tunnel"


@contextmanager
def _api_without_a_version(case: Case) -> Iterator[None]:
    """A gateway before the API that answers /version with a page of its own."""
    api = FakeApi()
    api.answers["/apis/authentication.k8s.io/v1/selfsubjectreviews"].append(
        (201, {"status": {"userInfo": {"username": "ada"}}})
    )
    for _ in range(5):
        api.answers["/version"].append((200, ["no version"]))
    with loop_thread("an API") as beside:
        beside.run(api.start())
        case.kubeconfig["clusters"][0]["cluster"] = {"server": api.url}
        try:
            yield
        finally:
            beside.run(api.stop())


@dataclass(frozen=True)
class Expected:
    fault: Fault
    code: int
    words: str


#: One for each hop, see the test below.
FAULTS: Mapping[Hop, Expected] = {
    Hop.FILES: Expected(at_once(lambda case: setattr(case, "text", "portForwards: [")), 2, "kfw.yaml:1:"),
    Hop.TOOLS: Expected(at_once(_no_socat), 8, "cannot find socat on PATH, needed for api"),
    Hop.KUBECONFIG: Expected(
        at_once(lambda case: case.forward.update(context="nowhere")), 2, 'context "nowhere" does not exist'
    ),
    Hop.LOOKUP: Expected(
        at_once(lambda case: case.cluster.update(server="https://api.kfw.invalid:6443")), 4, "looked up"
    ),
    Hop.TCP: Expected(at_once(_closed_port), 4, "Connection refused"),
    Hop.TLS: Expected(
        at_once(lambda case: case.cluster.update({"tls-server-name": "elsewhere.example"})),
        4,
        "Hostname mismatch",
    ),
    Hop.LOGIN: Expected(at_once(_wrong_token), 5, "refuses the login"),
    Hop.VERSION: Expected(_api_without_a_version, 4, "a version that cannot be read"),
    Hop.RIGHTS: Expected(at_once(_user_who_may_only_look), 5, "may not create pods/portforward"),
    Hop.TARGET: Expected(
        at_once(lambda case: case.forward.update(target="service/wbe")), 1, 'services "wbe" not found'
    ),
    Hop.POD: Expected(
        at_once(lambda case: case.shared.annotate_pods(case.namespace, ready="false")), 1, "is not ready"
    ),
    Hop.POD_PORT: Expected(
        at_once(lambda case: case.shared.annotate_pods(case.namespace, listen="false")),
        1,
        "nothing listens on port 8080 in pod web-",
    ),
    Hop.LOCAL_PORT: Expected(lambda case: talk.listener(case.port), 6, "cannot listen on"),
    Hop.ANSWER: Expected(
        at_once(lambda case: case.forward.update(health={"type": "http", "path": "/status/500"})), 1, "500"
    ),
}


@pytest.fixture
def case(
    shared: Place, namespace: str, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Case]:
    shared.apply(deployment(namespace, "web", ports=WEB), service(namespace, "web", service_port(80, "http")))
    forward = {"target": "service/web", "targetPort": 80, "localPort": port, "namespace": namespace}
    kubeconfig = yaml.safe_load(shared.kubeconfig.read_text())
    monkeypatch.setenv("KFW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.chdir(tmp_path)
    yield Case(shared, namespace, port, tmp_path, forward, kubeconfig)


def written(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    (case.folder / "kubeconfig").write_text(json.dumps(case.kubeconfig))
    (case.folder / "kfw.yaml").write_text(case.text or json.dumps({"portForwards": {"api": case.forward}}))
    if case.path:
        monkeypatch.setenv("PATH", case.path)


def test_every_hop_has_a_fault_of_its_own() -> None:
    assert set(FAULTS) == set(Hop) == set(HOPS)


@pytest.mark.parametrize("hop", FAULTS)
def test_the_first_fault_is_named_with_its_fix_and_nothing_behind_it_is_asked(
    hop: Hop, case: Case, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = FAULTS[hop]
    with expected.fault(case):
        written(case, monkeypatch)
        code = cli.run(["doctor", "api", "--json"])
    examined = json.loads(capsys.readouterr().out)
    fault = examined["fault"]
    assert (fault["hop"], code, examined["exitCode"]) == (hop, expected.code, expected.code), fault
    assert expected.words in fault["what"]
    assert fault["fix"]
    asked = [finding["hop"] for section in examined["sections"] for finding in section["findings"]]
    assert list(dict.fromkeys(asked)) == list(Hop)[: list(Hop).index(hop) + 1]
    *_, last = (section for section in examined["sections"] if section["findings"])
    scope = HOPS[hop].scope
    assert last["notAsked"] == [one for one in hops_of(scope) if list(Hop).index(one) > list(Hop).index(hop)]


def test_where_all_is_well_each_hop_says_so_and_the_code_is_0(
    case: Case, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(case, monkeypatch)
    assert cli.run(["doctor", "--json"]) == 0
    examined = json.loads(capsys.readouterr().out)
    said = {finding["hop"]: finding for section in examined["sections"] for finding in section["findings"]}
    assert list(said) == list(Hop)
    assert "http 200" in said["answer"]["what"]
    assert examined["fault"] is None
    assert {finding["level"] for finding in said.values()} == {"ok"}


def test_without_a_config_the_cluster_and_the_rights_are_looked_at(
    case: Case, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(case, monkeypatch)
    (case.folder / "kfw.yaml").unlink()
    assert cli.run(["doctor", "-n", case.namespace, "--json"]) == 0
    machine, cluster = json.loads(capsys.readouterr().out)["sections"]
    assert [*dict.fromkeys(finding["hop"] for finding in machine["findings"])] == ["files", "tools"]
    assert cluster["findings"][-1]["hop"] == "rights"
    assert case.namespace in cluster["findings"][-1]["what"]


def test_a_fault_of_one_forward_keeps_no_other_from_being_asked(
    case: Case, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    forwards = {"lost": {**case.forward, "target": "service/wbe", "localPort": 0}, "api": case.forward}
    case.text = json.dumps({"portForwards": forwards})
    written(case, monkeypatch)
    assert cli.run(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "one fault: forward lost, target" in out
    assert "http 200" in out.partition("forward api")[2]


def test_a_forward_that_is_up_is_asked_through_its_local_port(
    kfw: Program, shared: Place, namespace: str, port: int
) -> None:
    shared.apply(deployment(namespace, "web", ports=WEB), service(namespace, "web", service_port(80, "http")))
    kfw("add", "svc/web", f"{port}:80", "-n", namespace)
    out = kfw("doctor", "web").stdout
    assert f"kfw has it: localhost:{port}" in out
    assert "through the local port" in out
    report = kfw.project / "report.md"
    kfw("doctor", "web", "--report", str(report))
    assert "# kfw doctor" in report.read_text()
    assert "exists already" in kfw("doctor", "web", "--report", str(report), code=2).stderr


def test_a_report_has_no_secret_and_no_home(make_kfw: Make, shared: Place, namespace: str) -> None:
    file = shared.user(f"user-{namespace}", namespace)
    token = yaml.safe_load(file.read_text())["users"][0]["user"]["token"]
    kfw = make_kfw(file)
    kubeconfig = kfw.folder / ".kube" / "teams" / "dev" / "config"
    kubeconfig.parent.mkdir(parents=True)
    kubeconfig.write_text(file.read_text())
    text = kfw("doctor", "--kubeconfig", str(kubeconfig), "--report", "-", code=None).stdout
    assert text.startswith("# kfw doctor")
    assert f"user user-{namespace} at https://" in text
    assert "~/.../dev/config" in text
    assert token not in text
    assert str(kfw.folder) not in text


def test_ctrl_c_ends_it_with_130(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    with talk.listener() as silent:
        case.cluster["server"] = f"https://127.0.0.1:{silent}"
        written(case, monkeypatch)
        code, output = on_a_terminal(["doctor"], cwd=case.folder, interrupt_at="certificate ...")
    assert code == 130
    assert "Traceback" not in output
