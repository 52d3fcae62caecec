"""A mark in every field that can hold a secret, so that things fail and so that they work; and a look into every outlet."""

import asyncio
import base64
import json
import re
import ssl
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h11
import pytest
import yaml

from kfw import cli
from kfw.sandbox.manifests import deployment, namespace, service
from kfw.sandbox.manifests import port as service_port
from tests.kube import certificates
from tests.kube.fake_api import FakeApi, Request, status
from tests.loop_thread import loop_thread
from tests.real import talk
from tests.real.running import until
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Program
from tests.whole.test_logins import Plugin

#: All marks begin so; what follows says where it was.
MARK = "C4N4RY"
V1 = "client.authentication.k8s.io/v1"


def mark(where: str) -> str:
    return f"{MARK}-{where}"


class Gossip(FakeApi):
    """An API server, and a proxy, that repeats to the client all that it has heard. Only one token is good."""

    async def _answer(self, request: Request, http: h11.Connection, writer: asyncio.StreamWriter) -> None:
        from tests.kube.fake_api import _reply

        login = request.headers.get("authorization", "")
        decoded = base64.b64decode(login[6:] + "==", validate=False) if login.startswith("Basic ") else b""
        if request.path == "/version" or login == f"Bearer {mark('good-token')}":
            await super()._answer(request, http, writer)
            return
        words = f"I do not know {login!r} ({decoded.decode(errors='replace')}), {request.headers}, {request.query}"
        code = 401 if "401" not in request.path else 500
        await _reply(http, writer, code, status(code, "Unauthorized", words))


@contextmanager
def gossip(folder: Path) -> Iterator[str]:
    """Its URL, without a scheme."""
    pair = certificates.pair("server", "127.0.0.1")
    (folder / "s.crt").write_bytes(pair.certificate)
    (folder / "s.key").write_bytes(pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "s.crt", folder / "s.key")

    async def begin() -> Gossip:
        api = Gossip(context)
        await api.start()
        return api

    with loop_thread("gossip") as beside:
        api = beside.run(begin())
        try:
            yield f"127.0.0.1:{api.port}"
        finally:
            beside.run(api.stop())


class Fields:
    """A kubeconfig for each field, all to the same server."""

    def __init__(self, folder: Path, at: str) -> None:
        self._folder = folder
        self.at = at
        self.files: dict[str, Path] = {}

    def add(self, name: str, user: dict[str, Any] | None = None, **cluster: Any) -> None:
        ca = base64.b64encode(certificates.ca()).decode()
        content = {
            "clusters": [
                {"name": "c", "cluster": {"server": f"https://{self.at}", "certificate-authority-data": ca, **cluster}}
            ],
            "users": [{"name": "ada", "user": user or {"token": mark("good-token")}}],
            "contexts": [{"name": name, "context": {"cluster": "c", "user": "ada"}}],
            "current-context": name,
        }  # fmt: skip
        self.files[name] = self._folder / f"{name}.yaml"
        self.files[name].write_text(yaml.safe_dump(content, allow_unicode=True))

    def file(self, name: str, content: str) -> str:
        (self._folder / name).write_text(content, newline="")
        return str(self._folder / name)

    def plugin(self, name: str, body: str, *args: str, **env: str) -> None:
        path = Path(self.file(f"plugin-{name}", f"#!{sys.executable}\nimport json, os, sys, time\n{body}\n"))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        variables = [{"name": key, "value": value} for key, value in env.items()]
        entry = {
            "apiVersion": V1,
            "command": str(path),
            "args": list(args),
            "env": variables,
            "interactiveMode": "Never",
        }
        self.add(name, {"exec": entry})


def answer(**found: str) -> str:
    text = json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": found})
    return f"sys.stdout.write({text!r})"


def all_fields(fields: Fields) -> None:
    key = certificates.pair("ada")
    encoded = {"client-certificate-data": base64.b64encode(key.certificate).decode()}
    fields.add("good")
    fields.add("token-newline", {"token": f"{mark('token-newline')}\n"})
    fields.add("token-inner-newline", {"token": f"{mark('token-a')}\n{mark('token-b')}"})
    fields.add("token-del", {"token": f"{mark('token-del')}\x7f"})
    fields.add("token-umlaut", {"token": f"{mark('token-umlaut')}-zürich"})
    fields.add("token-refused", {"token": mark("token-refused")})
    fields.add("token-file", {"tokenFile": fields.file("t1", f"{mark('token-file')}\n")})
    fields.add("token-file-newline", {"tokenFile": fields.file("t2", f"{mark('tf-a')}\n{mark('tf-b')}")})
    fields.add("password", {"username": "ada", "password": mark("password")})
    fields.add("password-newline", {"username": "ada", "password": f"{mark('password-nl')}\n"})
    add_urls(fields)
    for name, text in (
        ("key-none", mark("key")),
        ("key-pem", f"-----BEGIN PRIVATE KEY-----\n{mark('pem')}\n"),
    ):
        fields.add(name, {**encoded, "client-key-data": base64.b64encode(text.encode()).decode()})
    fields.add("key-file", {**encoded, "client-key": fields.file("k1", mark("key-file"))})
    fields.add("key-good", {**encoded, "client-key-data": base64.b64encode(key.key).decode()})
    config = {name: mark(f"oidc-{name}") for name in ("id-token", "refresh-token", "client-secret")}
    fields.add(
        "oidc",
        {"auth-provider": {"name": "oidc", "config": {**config, "idp-issuer-url": "https://127.0.0.1:1"}}},
    )
    add_plugins(fields)
    broken = fields.files["token-refused"].read_text().replace("token: ", "token: [unclosed, a: b: ")
    fields.files["broken"] = Path(fields.file("broken.yaml", broken))


def add_urls(fields: Fields) -> None:
    fields.add("url-userinfo", server=f"https://joe:{mark('userinfo')}@{fields.at}")
    fields.add("url-userinfo-slash", server=f"https://joe:{mark('userinfo')}/x@{fields.at}")
    fields.add("url-query", server=f"https://{fields.at}/?token={mark('query')}")
    fields.add("url-bad-port", server=f"https://joe:{mark('badport')}@127.0.0.1:99999")
    fields.add(
        "url-dead", server=f"https://joe:{mark('dead')}@127.0.0.1:1/?access_token={mark('dead-query')}"
    )
    fields.add("proxy-dead", **{"proxy-url": f"http://joe:{mark('proxy')}@127.0.0.1:1"})
    fields.add("proxy-refuses", **{"proxy-url": f"http://joe:{mark('proxy-2')}@{fields.at}"})
    fields.add("proxy-kind", **{"proxy-url": f"ftp://joe:{mark('proxy-3')}@{fields.at}"})
    fields.add("proxy-port", **{"proxy-url": f"http://joe:{mark('proxy-4')}/x@{fields.at}"})


def add_plugins(fields: Fields) -> None:
    key = certificates.pair("ada")
    args = (f"--oidc-client-secret={mark('arg-1')}", "--password", mark("arg-2"), f"API_KEY={mark('arg-3')}",
            f"https://joe:{mark('arg-4')}@idp/x?token={mark('arg-5')}")  # fmt: skip
    env = {"AWS_SECRET_ACCESS_KEY": mark("env-1"), "GATE": f"http://joe:{mark('env-2')}@gate"}
    tells = "sys.stderr.write('error: failed with ' + repr(sys.argv[1:]) + ' and ' + repr(dict(os.environ)) + chr(10))"
    waits = "sys.stderr.write('open https://x/device ' + ' '.join(sys.argv[1:]) + chr(10)); time.sleep(2)"
    fields.plugin("exec-fails", f"{tells}; sys.exit(1)", *args, **env)
    fields.plugin("exec-waits", f"{waits}; sys.exit(1)", *args, **env)
    fields.plugin("exec-good", f"{tells}; {answer(token=mark('good-token'))}", *args, **env)
    fields.plugin("exec-newline", answer(token=f"{mark('printed')}\n"), *args, **env)
    fields.plugin("exec-bare-token", f"print({mark('bare')!r})", *args, **env)
    fields.plugin(
        "exec-quotes", f"{answer(token=mark('quoted'))}; sys.exit('error: bad token {mark('quoted')}')"
    )
    fields.plugin(
        "exec-key", answer(clientCertificateData=key.certificate.decode(), clientKeyData=mark("plugin-key"))
    )
    fields.plugin("exec-refused", answer(token=mark("exec-refused")))
    fields.add("exec-missing", {"exec": {"apiVersion": V1, "command": "no-such-login", "args": [*args]}})
    fields.add("exec-old", {"exec": {"apiVersion": "v1", "command": "login", "args": [*args]}})
    fields.add(
        "exec-terminal",
        {"exec": {"apiVersion": V1, "command": "sh", "args": [*args], "interactiveMode": "Always"}},
    )


class Watched:
    """Looks all the time at what is there for a moment: command lines, and files in the folders for temporary ones."""

    def __init__(self, kfw: Program, *folders: Path) -> None:
        self.seen: dict[str, str] = {}
        self._kfw = kfw
        self._folders = folders
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watched":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            for pid, line in self._kfw.processes().items():
                if (
                    "plugin-" not in line and "sso-login" not in line
                ):  # whose arguments are as the user wrote them
                    self.seen[f"command line of {pid}"] = line
            for folder in self._folders:
                for path in folder.rglob("*"):
                    try:
                        self.seen[str(path)] = path.read_text(errors="replace") if path.is_file() else ""
                    except OSError:
                        continue


def check(outlets: dict[str, str]) -> None:
    """Each may be encoded; what is found is told with what stands around it."""
    encoded = {
        base64.b64encode(text[: len(text) // 3 * 3].encode()).decode()
        for text in (MARK, f"joe:{MARK}", f"ada:{MARK}")
    }
    needle = re.compile("|".join((MARK, *map(re.escape, encoded))))
    leaks = [
        f"{name}: ...{text[max(found.start() - 200, 0) : found.end() + 60]}"
        for name, text in outlets.items()
        for found in needle.finditer(text)
    ]
    assert not leaks, "\n\n".join(leaks[:10])


def files_below(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def place_of_marks(tmp_path: Path) -> Iterator[Fields]:
    with gossip(tmp_path) as at:
        fields = Fields(tmp_path, at)
        all_fields(fields)
        yield fields


def test_no_mark_is_seen_anywhere(place_of_marks: Fields, make_kfw: Make) -> None:
    temporary = Path(tempfile.mkdtemp(prefix="kfw-tmp-"))
    kfw = make_kfw(
        place_of_marks.files["good"],
        TMPDIR=str(temporary),
        HTTPS_PROXY=f"http://joe:{mark('https-proxy')}@127.0.0.1:1",
        AWS_SESSION_TOKEN=mark("of-the-shell"),
    )
    said: dict[str, str] = {}

    def run(*argv: str) -> None:
        done = kfw(*argv, code=None)
        said[f"stdout of {argv}"], said[f"stderr of {argv}"] = done.stdout, done.stderr

    with Watched(kfw, temporary) as watched:
        forwards = {
            name: {
                "target": "service/web",
                "targetPort": 80,
                "localPort": port,
                "kubeconfig": str(file),
                "method": "kubectl" if port % 5 == 4 else "tunnel",
            }
            for (name, file), port in zip(
                place_of_marks.files.items(), talk.free_ports(len(place_of_marks.files)), strict=True
            )
        }
        kfw.configure(forwards, daemon={"logLevel": "debug"})
        for name, file in place_of_marks.files.items():
            run("up", name, "--no-wait")
            if name not in kfw.rows():
                run(
                    "add",
                    name,
                    "svc/web",
                    f"{talk.free_ports(1)[0]}:80",
                    "--kubeconfig",
                    str(file),
                    "--timeout",
                    "1s",
                )
        run("up", "good", "exec-waits", "exec-fails", "token-newline", "--timeout", "3s")
        run("retry")
        run("restart")
        for command in ("status", "status --json", "events", "events --json", "logs", "top", "wait --timeout 1s", "reload",
                        "config show", "verify", "retry --json"):  # fmt: skip
            run(*command.split())
        for name in ("token-newline", "url-dead", "exec-fails", "key-none"):
            run("explain", name)
            run("logs", name)
        rows = kfw.rows()
        replies = {
            path: json.dumps(kfw.ask(path)) for path in ("/v1/status", "/v1/events", "/v1/connections")
        }
        replies |= {f"explain {name}": json.dumps(kfw.ask(f"/v1/forwards/{name}/explain")) for name in rows}

    assert len(rows) > len(place_of_marks.files) / 2, "what is wrong as it is written is refused at once"
    assert {row["reason"] for row in rows.values()} >= {"login-expired", "cluster-unreachable"}
    assert rows["good"]["reason"] == rows["exec-good"]["reason"] == "target-not-found", "these work"
    log = (kfw.home / "state" / "kfw.log").read_text()
    assert "DEBUG" in log and "the login plugin plugin-exec-fails of user ada: error: failed with" in log
    check({**said, **replies, **watched.seen, **files_below(kfw.home), **files_below(temporary)})


LOGINS = [
    ["--token", f"{mark('pf-token')}"],
    [f"--token={mark('pf-token')}\n"],
    ["--token", f"{mark('pf-token')}-zürich"],
    ["--username", "ada", "--password", mark("pf-password")],
    [f"--server=https://joe:{mark('pf-url')}@127.0.0.1:1"],
    ["--client-certificate", "/none", "--client-key", "/none", "--token", mark("pf-token")],
    [f"--tokn={mark('pf-typo')}"],
]


@pytest.mark.parametrize("login", LOGINS, ids=range(len(LOGINS)))
def test_port_forward_shows_none(place_of_marks: Fields, make_kfw: Make, login: list[str]) -> None:
    kfw = make_kfw(place_of_marks.files["token-refused"])
    for verbose in ([], ["-v", "8"]):
        done = kfw("port-forward", *login, *verbose, "svc/web", "0:80", code=None, timeout=30)
        assert done.returncode == 1
        check({"stdout": done.stdout, "stderr": done.stderr, **files_below(kfw.home)})


@pytest.mark.parametrize("login", LOGINS[:4], ids=range(4))
def test_a_crash_report_shows_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], login: list[str]
) -> None:
    monkeypatch.setenv("KFW_HOME", str(tmp_path))

    def broken(arguments: Any, *_: object) -> int:
        secret = arguments.text("token") or arguments.text("password")
        raise LookupError(f"Illegal header value b'{secret!r}'")

    monkeypatch.setattr("kfw.kubectl_compat.session.run", broken)
    assert cli.run(["port-forward", *login, "svc/web", "80"]) == 1
    shown = capsys.readouterr()
    [report] = (tmp_path / "state" / "crashes").glob("*.log")
    assert "LookupError" in report.read_text() and "svc/web" in report.read_text()
    check({"stdout": shown.out, "stderr": shown.err, "report": report.read_text()})


def test_a_method_that_is_kubectl_shows_none_in_ps(
    shared: Place, make_kfw: Make, tmp_path: Path, port: int
) -> None:
    """Its login is in the kubeconfig that is named; an entry of its own must not go onto its command line."""
    shared.apply(
        namespace("canary"),
        deployment("canary", "web", ports={"http": 8080}),
        service("canary", "web", service_port(80, "http")),
    )
    plugin = Plugin(tmp_path, shared, arguments=[f"--client-secret={mark('of-the-plugin')}"])
    plugin.go.touch()
    kfw = make_kfw(plugin.kubeconfig)
    with Watched(kfw) as watched:
        kfw("add", "k", "svc/web", f"{port}:80", "-n", "canary", "--method", "kubectl", "--timeout", "20s")
        until(lambda: kfw.children("port-forward"), 5, lambda: "kubectl runs")
        until(
            lambda: any(" port-forward " in line for line in watched.seen.values()), 5, lambda: "it was seen"
        )
    check({**watched.seen, **files_below(kfw.home)})


def test_the_canary_itself_sings() -> None:
    """A test that finds nothing must be able to find something."""
    for leak in (
        mark("x"),
        base64.b64encode(f"joe:{mark('x')}".encode()).decode(),
        f"Bearer {mark('token')}",
    ):
        with pytest.raises(AssertionError, match="somewhere"):
            check({"somewhere": f"words {leak} words"})
