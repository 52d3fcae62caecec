"""Every command line of README.md and the pages of docs is typed as it stands, and what is shown as its output is compared
with what comes. What that means exactly: documented.py.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from kfw.sandbox.manifests import deployment, namespace, pod, service, statefulset
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.running import KFW
from tests.whole.documented import ROOT, Documented, differences, documented
from tests.whole.place import Place, place
from tests.whole.program import Entry, Program, connected

#: Beginnings of lines that are not typed here, and why.
NOT_TYPED = {
    "kfw tui": "it draws a screen: tests/screens, tests/tui",
    "kfw web": "it opens a browser: tests/web",
    "kfw open": "the same: tests/cli/test_habits.py",
    "kfw up cart": "it is a service of gRPC: tests/web/test_grpc_in_browser.py",
    "kfw up orders": "it is a service with a document of OpenAPI: tests/web/test_swagger_in_browser.py",
    "kfw mcp": "it is for programs: tests/whole/test_mcp.py",
    "kfw bootstrap": "it installs tools and makes a cluster where it can: tests/quickstart, tests/quick_start",
    "export KUBECONFIG=$(kfw bootstrap": "the same",
    "kfw service": "it changes the service manager of this machine: tests/whole/test_service.py, with one of its own",
    "kfw update": "it asks a package index: tests/commands/test_update.py",
    "kfw up --config-url": "there is no such server: tests/whole/test_remote_defaults.py, with one of its own",
    "kfw collect": "it asks services that are yours: tests/whole/test_collect.py",
    "kfw tap": "it shows what clients send meanwhile: tests/whole/test_tap.py",
    "kubectl kfw": "kubectl only passes it on, and may not be here: tests/kubectl_compat",
}
#: What stands for programs that may not be here, or would take long: they do nothing, and well.
STUBS = ("pytest", "make", "psql", "jq")
#: Added to lines that would take longer than a test may, or want a port that somebody else may have.
MORE = {"kfw demo": " --for 0.5s", "kfw perf --cpuprofile": " --duration 0.5s", "kfw add": " --next-port"}
#: Files of others that the lines read, by their place below the home.
FILES = {
    "project/skaffold.yaml": "apiVersion: skaffold/v2beta29\nkind: Config\nportForward:\n"
    "- {resourceType: service, resourceName: web, namespace: shop, port: 80, localPort: 9000}\n",
    "kftray.json": '[{"service": "web", "namespace": "shop", "local_port": 9000, "remote_port": 80, "context": "dev",'
    ' "workload_type": "service", "protocol": "tcp", "alias": "web"}]',
    "project/x": 'services: {web: {ports: ["9000:80"]}}\n',
}
OF_K9S = {"k9scli.io/auto-port-forwards": "app::9000:8080"}
#: Pages that are not about a project whose forwards are up.
ELSEWHERE = ("import.md", "targets.md", "README.md", "sandbox.md", "completion.md")
LINES = [one for one in documented() if not one.line.startswith(tuple(NOT_TYPED))]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """What the pages speak of, in the contexts dev, which is the current one, and kind-dev."""
    folder = tmp_path_factory.mktemp("docs")
    with place(folder) as here:
        for where in ("shop", "demo", "blog"):
            here.apply(
                namespace(where),
                deployment(where, "web", ports={"http": 8080}),
                service(where, "web", service_port(80, "http")),
                deployment(where, "api", ports={"http": 8080}),
                service(where, "api", service_port(80, "http")),
                statefulset(where, "db", "kfw/greeter", ports={"db": 5432}),
                statefulset(where, "queue", "kfw/resetter", ports={"amqp": 5672}),
                service(where, "db", service_port(5432, "db")),
            )
        here.apply(pod("shop", "annotated", ports={"http": 8080}, annotations=OF_K9S))
        content = yaml.safe_load(here.kubeconfig.read_text())
        content["contexts"] = [
            {"name": name, "context": {**content["contexts"][0]["context"], "namespace": "shop"}}
            for name in ("dev", "kind-dev")
        ]
        content["current-context"] = "dev"
        here.kubeconfig = folder / "kubeconfig-docs"
        here.kubeconfig.write_text(yaml.safe_dump(content))
        yield here


@pytest.fixture(scope="module")
def reader(shop: Place) -> Iterator[Program]:
    """Somebody who types what they read, in the folder of a project `shop`."""
    kfw = Program(shop.kubeconfig)
    tools = kfw.folder / "tools"
    tools.mkdir()
    for name in STUBS:
        (tools / name).write_text("#!/bin/sh\nexit 0\n")
        (tools / name).chmod(0o755)
    kfw.env["PATH"] = os.pathsep.join([str(tools), str(KFW.parent), kfw.env["PATH"]])
    kfw.project = kfw.folder / "shop"
    for folder in (
        kfw.project,
        kfw.folder / "blog",
        kfw.folder / ".zfunc",
        kfw.folder / ".config/fish/completions",
    ):
        folder.mkdir(parents=True)
    try:
        kfw("start")
        yield kfw
    finally:
        kfw.close()


@pytest.fixture(scope="module")
def entries() -> Mapping[str, Entry]:
    """The project's forwards, on ports that are free on this machine."""
    api, db, metrics, legacy = talk.free_ports(4)
    common = {"namespace": "shop", "context": "dev"}
    return {
        "api": {"target": "service/api", "targetPort": "http", "localPort": api, "type": "web", **common},
        "db": {"target": "statefulset/db", "targetPort": 5432, "localPort": db, **common},
        "metrics": {"target": "service/web", "targetPort": "http", "localPort": metrics, **common},
        "legacy-web": {"target": "service/web", "targetPort": "http", "localPort": legacy, **common},
    }


def test_what_is_not_typed_is_in_the_pages_and_the_rest_is_found() -> None:
    lines = [one.line for one in documented()]
    assert [begin for begin in NOT_TYPED if not any(line.startswith(begin) for line in lines)] == []
    assert len(LINES) > 50
    assert sum(one.output is not None for one in LINES) >= 7


@pytest.mark.parametrize(
    "one", [one for one in LINES if one.output is None], ids=lambda one: f"{one.page}:{one.number}"
)
def test_a_documented_line_does_what_it_is_there_for(
    one: Documented, reader: Program, entries: Mapping[str, Entry], tmp_path: Path
) -> None:
    is_elsewhere = one.page in ELSEWHERE or one.line.startswith("kfw add")
    reader.project = tmp_path if is_elsewhere else reader.folder / "shop"
    _prepare(one, reader, entries)
    line = _with_free_ports(one.line).replace("FILE", str(tmp_path / "FILE"))
    line += next((more for begin, more in MORE.items() if line.startswith(begin)), "")
    if "port-forward" in line or "--follow" in line:
        assert _first_line(reader, line)
    else:
        done = _type(reader, line)
        assert done.returncode == 0, f"{one}\n{done.stdout}{done.stderr}\n{reader.log()}"
    reader.post("/v1/remove", {"names": ["*"], "project": "added"})


def _prepare(one: Documented, kfw: Program, entries: Mapping[str, Entry]) -> None:
    """What the line is about is there."""
    for file, text in FILES.items():
        place_of = (
            kfw.project / file.removeprefix("project/") if file.startswith("project/") else kfw.folder / file
        )
        place_of.write_text(text)
    if one.page == "sandbox.md" and not one.line.startswith("export"):
        kfw("sandbox", "start")
    elif kfw.project == kfw.folder / "shop":
        _come_up(kfw, entries)


def _come_up(kfw: Program, entries: Mapping[str, Entry]) -> None:
    rows = kfw.rows()
    if [name for name in entries if rows.get(name, {}).get("status") != "active"]:
        kfw.up(entries)


def _with_free_ports(line: str) -> str:
    """A local port that is typed may be somebody's on this machine."""
    return re.sub(r"\b\d{4}(?=:)", lambda _: str(talk.free_ports(1)[0]), line)


def _type(kfw: Program, line: str, *more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-c", line, *more], env=kfw.env, cwd=kfw.project, capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


@contextmanager
def _running(kfw: Program, line: str) -> Iterator["subprocess.Popen[str]"]:
    """What goes on until Ctrl+C."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        ["bash", "-c", line], env=kfw.env, cwd=kfw.project, stdout=pipe, stderr=pipe, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)


def _first_line(kfw: Program, line: str) -> str:
    """Of one that goes on. Something happens meanwhile, for those that say what does."""
    with _running(kfw, line.partition(" | ")[0]) as process:
        assert process.stdout
        while "port-forward" not in line and not select_readable(process):
            kfw("restart", "metrics")
        return process.stdout.readline()


def select_readable(process: "subprocess.Popen[str]") -> bool:
    from select import select

    return bool(select([process.stdout], [], [], 1.0)[0])


# -- lines with output


def _clear(kfw: Program) -> None:
    if rows := kfw.rows():
        kfw("remove", *rows, code=None)


def _readme(kfw: Program, entries: Mapping[str, Entry], shop: Place, tmp_path: Path) -> str:
    [text] = re.findall(r"```yaml\n(portForwards:.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    _clear(kfw)
    kfw.project = tmp_path
    (tmp_path / "kfw.yaml").write_text(
        re.sub(r"localPort: \d+", lambda _: f"localPort: {talk.free_ports(1)[0]}", text)
    )
    return "kfw up"


def _verified_readme(kfw: Program, entries: Mapping[str, Entry], shop: Place, tmp_path: Path) -> str:
    line = _readme(kfw, entries, shop, tmp_path)
    kfw(*line.split()[1:])
    return "kfw verify"


def _two_projects(kfw: Program, entries: Mapping[str, Entry], shop: Place, tmp_path: Path) -> str:
    _clear(kfw)
    kfw.project = kfw.folder / "shop"
    kfw.up({"api": entries["api"], "db": entries["db"]})
    kfw.project = kfw.folder / "blog"
    kfw.up({"api": {**entries["api"], "namespace": "blog", "localPort": talk.free_ports(1)[0]}})
    return "kfw status"


def _without_a_pod(kfw: Program, entries: Mapping[str, Entry], shop: Place, tmp_path: Path) -> str:
    _clear(kfw)
    kfw.project = kfw.folder / "shop"
    kfw.up({"api": entries["api"], "db": entries["db"]})
    shop.do(lambda sandbox: sandbox.annotate("pods", "shop", "db-0", ready="false"))
    kfw.until_row("db", status="reconnecting")
    return "kfw up --timeout 1s"


def _verified_without_a_pod(kfw: Program, entries: Mapping[str, Entry], shop: Place, tmp_path: Path) -> str:
    _without_a_pod(kfw, entries, shop, tmp_path)
    return "kfw verify"


def _wrong_port(kfw: Program, entries: Mapping[str, Entry], shop: Place, tmp_path: Path) -> str:
    """Typed by ada, who has her kubeconfig where kubectl looks for it."""
    content = yaml.safe_load(shop.user("ada", "shop").read_text())
    content["users"][0]["name"] = "ada"
    content["contexts"] = [
        {"name": "dev", "context": {**content["contexts"][0]["context"], "namespace": "shop", "user": "ada"}}
    ]
    content["current-context"] = "dev"
    file = kfw.folder / ".kube" / "config"
    file.parent.mkdir(exist_ok=True)
    file.write_text(yaml.safe_dump(content))
    kfw.env["KUBECONFIG"] = str(file)
    _clear(kfw)
    kfw.project = kfw.folder / "shop"
    kfw.up({"badport": {**entries["metrics"], "targetPort": 81}, "db": entries["db"]}, code=1)
    return "kfw doctor badport"


def _slow_app_and_pod(kfw: Program, entries: Mapping[str, Entry], shop: Place, tmp_path: Path) -> str:
    kfw("stop")  # it remembers the connections of other tests
    kfw.project = kfw.folder / "shop"
    kfw.up({name: {**entries[name], "method": "tunnel"} for name in ("api", "db")})
    talk.get(f"http://127.0.0.1:{entries['api']['localPort']}/slow?ms=400")
    shop.do(lambda sandbox: sandbox.annotate("pods", "shop", "db-0", ready="false"))
    kfw.until_row("db", status="reconnecting")
    with connected(int(entries["db"]["localPort"])) as waiting:
        kfw.until_row("db", connections=1)
        shop.do(lambda sandbox: sandbox.annotate("pods", "shop", "db-0", ready="true"))
        waiting.recv(100)
    return "kfw perf"


#: By page and line: what is there before; it says what is typed.
SCENES: Mapping[tuple[str, str], Callable[[Program, Mapping[str, Entry], Place, Path], str]] = {
    ("README.md", "kfw up"): _readme,
    ("README.md", "kfw verify"): _verified_readme,
    ("commands.md", "kfw status"): _two_projects,
    ("commands.md", "kfw up"): _without_a_pod,
    ("commands.md", "kfw verify"): _verified_without_a_pod,
    ("doctor.md", "kfw doctor badport"): _wrong_port,
    ("perf.md", "kfw perf"): _slow_app_and_pod,
}
SHOWN = [one for one in LINES if one.output is not None]


@pytest.fixture
def as_before(shop: Place, reader: Program) -> Iterator[None]:
    yield
    reader.env["KUBECONFIG"] = str(shop.kubeconfig)
    shop.do(lambda sandbox: sandbox.annotate("pods", "shop", "db-0", ready="true"))


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize(
    "one",
    [one for one in SHOWN if (one.page, one.line) in SCENES],
    ids=lambda one: f"{one.page}:{one.number}",
)
def test_what_is_shown_as_the_output_is_what_comes(
    one: Documented, reader: Program, entries: Mapping[str, Entry], shop: Place, tmp_path: Path
) -> None:
    line = SCENES[one.page, one.line](reader, entries, shop, tmp_path)
    done = _type(reader, line)
    _compare(one, done.stdout.splitlines(), reader)


def _compare(one: Documented, lines: list[str], kfw: Program) -> None:
    found = differences(one.output or (), lines, kfw.folder)
    assert not found, f"{one}\n{found}"


def shown(line: str) -> Documented:
    [one] = [one for one in SHOWN if one.line == line]
    return one


def test_what_is_shown_of_port_forward_is_what_comes(reader: Program) -> None:
    one = shown("kfw port-forward svc/web 8080:80")
    line = _with_free_ports(one.line)
    port = int(re.findall(r"(\d+):80", line)[0])
    with _running(reader, line) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(2)]
        assert talk.pod_behind(port).startswith("web-")
        lines.append(process.stdout.readline())
    _compare(one, lines, reader)


@pytest.mark.usefixtures("as_before")
def test_what_is_shown_of_top_is_what_comes(
    reader: Program, entries: Mapping[str, Entry], shop: Place
) -> None:
    one = shown("kfw top --ended 1")
    reader.project = reader.folder / "shop"
    _clear(reader)
    queue = {**entries["db"], "target": "statefulset/queue", "targetPort": 5672}
    forwards = {
        "api": entries["api"],
        "db": entries["db"],
        "queue": {**queue, "localPort": talk.free_ports(1)[0]},
    }
    reader.up({name: {**entry, "method": "tunnel"} for name, entry in forwards.items()})
    port = {name: int(entry["localPort"]) for name, entry in forwards.items()}
    with pytest.raises(OSError):
        talk.exchange(port["queue"], b"hello", half_close=False)
    shop.do(lambda sandbox: sandbox.annotate("pods", "shop", "db-0", ready="false"))
    reader.until_row("db", status="reconnecting")
    with connected(port["api"]) as curl, connected(port["db"]):
        curl.sendall(b"GET /bytes?n=2000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        talk.read(curl, 2_000_000)
        done = _type(reader, f"COLUMNS=160 {one.line}")
    _compare(one, done.stdout.splitlines(), reader)


def test_all_that_is_shown_is_compared() -> None:
    others = {"kfw port-forward svc/web 8080:80", "kfw top --ended 1"}
    assert [str(one) for one in SHOWN if (one.page, one.line) not in SCENES and one.line not in others] == []
    assert shutil.which("bash")
