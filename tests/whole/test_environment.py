"""The environment of the shell that asks: a daemon that began in a bare one, and shells that have what a login needs."""

import asyncio
import json
import os
import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from kfw.sandbox.manifests import deployment, namespace, service
from kfw.sandbox.manifests import port as service_port
from tests.kube.proxies import Proxy, connect, proxying
from tests.real import talk
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Entry, Program, connected

#: A variable that no ordinary shell has: its value is looked for where it must not be.
MARK = "S3CR3T-of-this-shell"


class Account:
    """A plugin that logs in by AWS_PROFILE: `dev` and `prod` may each see a namespace of their own name."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.folder = folder
        self._calls = folder / "calls"
        tokens = {name: _user(place.user(name, name))["token"] for name in ("dev", "prod")}
        cases = "".join(f"{name}) token={token} ;;\n" for name, token in tokens.items())
        self.bin = folder / "bin"
        self.bin.mkdir()
        script = self.bin / "fake-login"
        script.write_text(
            f'#!/bin/sh\necho "${{AWS_PROFILE:-none}}" >>{self._calls}\ncase $AWS_PROFILE in\n{cases}'
            '*) echo "Unable to locate credentials" >&2; exit 255 ;;\nesac\n'
            'printf \'{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
            '"status":{"token":"%s"}}\' "$token"\n'
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        self.script = str(script)

    def kubeconfig(self, command: str, **cluster: Any) -> Path:
        """`command`: how the plugin is named."""
        content = yaml.safe_load((self.folder / "kubeconfig-dev").read_text())
        plugin = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": command,
            "interactiveMode": "Never",
        }
        content["users"][0]["user"] = {"exec": plugin}
        content["clusters"][0]["cluster"].update(cluster)
        file = self.folder / "kubeconfig-exec"
        file.write_text(yaml.safe_dump(content))
        return file

    def calls(self) -> list[str]:
        return self._calls.read_text().split() if self._calls.exists() else []


def _user(kubeconfig: Path) -> dict[str, str]:
    return dict(yaml.safe_load(kubeconfig.read_text())["users"][0]["user"])


@pytest.fixture
def account(own: Place, tmp_path: Path) -> Account:
    for where in ("dev", "prod"):
        own.apply(
            namespace(where),
            deployment(where, "web", ports={"http": 8080}),
            service(where, "web", service_port(80, "http")),
            deployment(where, "echo", "kfw/echo", ports={"echo": 9000}),
            service(where, "echo", service_port(7, "echo")),
        )
    made = Account(own, tmp_path)
    (tmp_path / "kubeconfig-dev").write_bytes(own.user("dev", "dev").read_bytes())
    return made


def entry(port: int, where: str = "dev", **more: Any) -> Entry:
    return {"target": "service/web", "localPort": port, "namespace": where, "method": "tunnel", **more}


@contextmanager
def shell(kfw: Program, **variables: str) -> Iterator[None]:
    """A shell that has these, too; the daemon goes on in its own."""
    before = dict(kfw.env)
    kfw.env.update(variables)
    try:
        yield
    finally:
        kfw.env.clear()
        kfw.env.update(before)


@pytest.fixture
def bare(account: Account, make_kfw: Make) -> Program:
    """A daemon that began in a shell without AWS_PROFILE and without the plugin's folder on PATH."""
    kfw = make_kfw(account.kubeconfig(account.script), AWS_PROFILE="")
    kfw("start")
    return kfw


# -- a variable


def test_moment_16_add_logs_in_with_the_variable_of_its_own_shell(bare: Program, port: int) -> None:
    arguments = ("add", "web", "svc/web", f"{port}:http", "-n", "dev", "--method", "tunnel")
    with shell(bare, AWS_PROFILE="dev"):
        bare(*arguments)
    assert talk.pod_behind(port).startswith("web-")


def test_up_logs_in_with_the_variable_of_its_own_shell(bare: Program, port: int) -> None:
    with shell(bare, AWS_PROFILE="dev"):
        bare.up({"web": entry(port)})
    assert talk.pod_behind(port).startswith("web-")


@pytest.mark.parametrize(
    "verb", [["retry"], ["retry", "web"], ["restart", "web"], ["restart"], ["reload"], ["up"]]
)
def test_who_could_not_log_in_can_from_a_shell_that_has_it(bare: Program, port: int, verb: list[str]) -> None:
    done = bare.up({"web": entry(port)}, code=5)
    assert "Unable to locate credentials" in done.stdout + done.stderr
    with shell(bare, AWS_PROFILE="dev"):
        bare(*verb)
    bare.until_row("web", within=5, status="active")
    assert talk.pod_behind(port).startswith("web-")


def test_a_bare_retry_in_one_project_does_not_give_its_environment_to_another(
    bare: Program, account: Account, tmp_path: Path, ports: Callable[[int], list[int]]
) -> None:
    mine, others = tmp_path / "mine", tmp_path / "others"
    for folder, port in zip((mine, others), ports(2), strict=True):
        folder.mkdir()
        bare.project = folder
        bare.up({folder.name: entry(port)}, code=5)
    bare.project = mine
    with shell(bare, AWS_PROFILE="dev"):
        bare("retry")
        bare.until_row("mine", within=5, status="active")
    assert bare.status("others")["reason"] == "login-expired"


# -- PATH


def test_a_plugin_is_found_on_the_path_of_the_shell_that_asks(
    account: Account, make_kfw: Make, port: int
) -> None:
    kfw = make_kfw(account.kubeconfig("fake-login"), AWS_PROFILE="dev")
    kfw("start")
    done = kfw.up({"web": entry(port)}, code=8)
    assert "fake-login is not installed" in done.stdout + done.stderr
    with shell(kfw, PATH=f"{account.bin}:{os.environ['PATH']}"):
        kfw("retry", "web")
        kfw.until_row("web", within=5, status="active")
    assert talk.pod_behind(port).startswith("web-")


def test_kubectl_is_found_on_the_path_of_the_shell_that_asks_and_runs_in_its_environment(
    account: Account, make_kfw: Make, port: int, path_without: Callable[[str], str]
) -> None:
    kfw = make_kfw(account.kubeconfig(account.script), PATH=path_without("kubectl"))
    kfw("start")
    with shell(kfw, AWS_PROFILE="dev"):
        done = kfw.up({"web": entry(port, method="kubectl")}, code=8)
    assert "cannot find kubectl on PATH" in done.stdout + done.stderr
    with shell(kfw, AWS_PROFILE="dev", PATH=os.environ["PATH"]):
        kfw("retry", "web")
        kfw.until_row("web", within=5, status="active")
    assert talk.pod_behind(port).startswith("web-")
    [pid] = kfw.children("port-forward")
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert b"AWS_PROFILE=dev" in variables
    assert f"KFW_HOME={kfw.home}".encode() in variables


# -- a proxy


@pytest.fixture
def gate(own: Place) -> Iterator[Proxy]:
    """Leads whatever name it is asked for to this machine."""

    async def handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        where = await connect()(reader, writer)
        return ("127.0.0.1", where[1]) if where else None

    @asynccontextmanager
    async def running():  # type: ignore[no-untyped-def]
        async with proxying(handshake) as proxy:
            yield proxy

    context = running()
    yield own.run(context.__aenter__())
    own.run(context.__aexit__(None, None, None))


@pytest.fixture
def behind(account: Account, own: Place) -> Path:
    """A kubeconfig whose server has a name that only the proxy can find; a token, no plugin."""
    content = yaml.safe_load((account.folder / "kubeconfig-dev").read_text())
    cluster = content["clusters"][0]["cluster"]
    cluster["server"] = f"https://api.invalid:{cluster['server'].rpartition(':')[2]}"
    cluster["tls-server-name"] = "127.0.0.1"
    file = account.folder / "kubeconfig-behind"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.mark.parametrize("verb", ["up", "retry", "add"])
def test_the_api_is_reached_through_the_proxy_of_the_shell_that_asks(
    gate: Proxy, behind: Path, make_kfw: Make, port: int, verb: str
) -> None:
    kfw = make_kfw(behind, HTTPS_PROXY="", https_proxy="", NO_PROXY="", no_proxy="")
    kfw("start")
    if verb == "retry":
        kfw.up({"web": entry(port)}, code=4)
    with shell(kfw, HTTPS_PROXY=f"http://127.0.0.1:{gate.port}"):
        if verb == "add":
            kfw("add", "web", "svc/web", f"{port}:http", "-n", "dev", "--method", "tunnel")
        elif verb == "up":
            kfw.up({"web": entry(port)})
        else:
            kfw("retry", "web")
            kfw.until_row("web", within=5, status="active")
    assert talk.pod_behind(port).startswith("web-")
    assert gate.asked


# -- two of them


def test_two_projects_on_one_cluster_log_in_each_in_its_own_environment(
    bare: Program, account: Account, tmp_path: Path, ports: Callable[[int], list[int]]
) -> None:
    where = dict(zip(("dev", "prod"), ports(2), strict=True))
    for name, port in where.items():
        (tmp_path / name).mkdir()
        bare.project = tmp_path / name
        with shell(bare, AWS_PROFILE=name):
            bare.up({f"web-{name}": entry(port, name)})
    assert [talk.pod_behind(port)[:4] for port in where.values()] == ["web-", "web-"]
    assert sorted(account.calls()) == ["dev", "prod"]
    assert {row["status"] for row in bare.json("status")["forwards"]} == {"active"}


def test_two_adds_from_two_shells_log_in_each_in_its_own_environment(
    bare: Program, account: Account, ports: Callable[[int], list[int]]
) -> None:
    for name, port in zip(("dev", "prod"), ports(2), strict=True):
        with shell(bare, AWS_PROFILE=name):
            bare("add", name, "svc/web", f"{port}:http", "-n", name, "--method", "tunnel")
        assert talk.pod_behind(port).startswith("web-")
    assert sorted(account.calls()) == ["dev", "prod"]


def test_forwards_of_one_environment_share_a_login_also_from_two_terminals(
    bare: Program, account: Account, ports: Callable[[int], list[int]]
) -> None:
    for number, port in enumerate(ports(3)):
        with shell(
            bare, AWS_PROFILE="dev", WINDOWID=str(number), SHLVL=str(number), SSH_TTY=f"/dev/pts/{number}"
        ):
            bare("add", f"web-{number}", "svc/web", f"{port}:http", "-n", "dev", "--method", "tunnel")
    assert account.calls() == ["dev"]


# -- again, and another one


def test_up_again_with_the_same_environment_touches_nothing(
    bare: Program, account: Account, port: int
) -> None:
    wanted = {"echo": {**entry(port), "target": "service/echo"}}
    with shell(bare, AWS_PROFILE="dev"):
        bare.up(wanted)
        before = bare.status("echo")
        with connected(port) as connection:
            assert talk.answered(connection, b"one")
            bare("up")
            bare("reload")
            assert talk.answered(connection, b"two")
    assert account.calls() == ["dev"]
    after = bare.status("echo")
    assert (after["since"], after["restarts"]) == (before["since"], before["restarts"])


def test_another_environment_is_for_the_next_login_and_live_connections_go_on(
    bare: Program, account: Account, port: int
) -> None:
    wanted = {"echo": {**entry(port), "target": "service/echo"}}
    with shell(bare, AWS_PROFILE="dev"):
        bare.up(wanted)
    with connected(port) as connection:
        assert talk.answered(connection, b"one")
        with shell(bare, AWS_PROFILE="dev", AWS_REGION="eu-west-1"):
            bare("up")
        assert talk.answered(connection, b"two")
        row = bare.status("echo")
        assert (row["status"], row["restarts"]) == ("active", 0)
        with connected(port) as another:
            assert talk.answered(another, b"three")
        assert talk.answered(connection, b"four")
    assert account.calls() == ["dev", "dev"]


# -- after a kill


def test_after_a_kill_the_environment_is_not_known_which_is_said_and_retry_sends_it(
    bare: Program, port: int
) -> None:
    with shell(bare, AWS_PROFILE="dev"):
        bare.up({"web": entry(port)})
    bare.kill_daemon()
    bare("start")
    row = bare.until_row("web", within=10, reason="login-expired")
    assert row["status"] == "suspended"
    assert "the environment of your shell is not known since kfw was started again" in row["message"]
    assert "`kfw retry web` in your shell sends it" in row["message"]
    with shell(bare, AWS_PROFILE="dev"):
        bare("retry")
        bare.until_row("web", within=5, status="active")
    assert talk.pod_behind(port).startswith("web-")


def test_up_in_the_foreground_just_uses_its_own(account: Account, make_kfw: Make, port: int) -> None:
    kfw = make_kfw(account.kubeconfig("fake-login"), AWS_PROFILE="dev")
    kfw.env["PATH"] = f"{account.bin}:{os.environ['PATH']}"
    kfw.configure({"web": entry(port)})
    running = kfw.popen("up", "--foreground")
    try:
        line = next(line for line in iter(running.stderr.readline, "") if "active" in line)  # type: ignore[union-attr]
        assert "web" in line
        assert talk.pod_behind(port).startswith("web-")
    finally:
        running.terminate()
        running.communicate(timeout=10)


# -- secrets


def test_a_value_is_shown_nowhere_and_left_nowhere(bare: Program, port: int) -> None:
    with shell(bare, AWS_PROFILE="dev", AWS_SECRET_ACCESS_KEY=MARK):
        bare.up({"web": entry(port)})
        told = [
            bare(*argv).stdout
            for argv in (["status", "--json"], ["explain", "web", "--json"], ["events", "--json"], ["logs"])
        ]
        bare("reload")
        bare("retry")
    assert MARK not in "".join(told)
    bare.kill_daemon()
    for file in bare.folder.rglob("*"):
        if file.is_file():
            assert MARK.encode() not in file.read_bytes(), file


def _post(kfw: Program, target: str, body: Mapping[str, Any]) -> tuple[int, str]:
    data = json.dumps(body).encode()
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(10)
        one.connect(str(kfw.home / "run" / "kfw.sock"))
        head = (
            f"POST {target} HTTP/1.1\r\nHost: kfw\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
        )
        one.sendall(head.encode() + data)
        answer = b"".join(iter(lambda: one.recv(65536), b"")).decode()
    return int(answer.split(" ")[1]), answer


@pytest.mark.parametrize(
    "environ",
    [
        {"A\0B": MARK},
        {"A": f"{MARK}\0"},
        {"A=B": MARK},
        {"": MARK},
        {"A" * 2000: MARK},
        {"A": MARK * 20_000},
        {f"A{number}": MARK for number in range(5000)},
        {f"A{number}": MARK * 1000 for number in range(200)},
        {"A": 7, "B": MARK},
    ],
)
@pytest.mark.parametrize("target", ["/v1/retry", "/v1/reload", "/v1/restart"])
def test_an_environment_that_cannot_be_one_is_refused_without_its_values(
    kfw: Program, target: str, environ: dict[str, Any]
) -> None:
    code, said = _post(kfw, target, {"environ": environ})
    assert code == 400
    assert MARK not in said
    assert "Traceback" not in kfw.log()
