"""Token, certificate, key and CA in files: bounded, off the loop, looked at again, and never missed for a moment."""

import asyncio
import errno
import logging
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kfw.errors import ClusterUnreachable, KfwError, LoginError, Shortage
from kfw.kube import credentials
from kfw.kube.api_server import ApiServer
from kfw.kube.login import Login
from kfw.kube.timeouts import Timeouts
from kfw.kubeconfig.entries import Access, ClusterEntry, Exec, Pem, UserEntry
from kfw.secret import Secret
from tests.kube import certificates
from tests.kube.fake_api import serving
from tests.kube.test_exec_plugin import answer, plugin, script  # noqa: F401  # a fixture
from tests.kube.test_login import token

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def always_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "LIFE", 0.0)


def of(user: UserEntry, cluster: ClusterEntry | None = None) -> Access:
    return Access("dev", cluster or ClusterEntry("dev", "https://127.0.0.1:1"), user)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


def missing(path: Path) -> None:
    path.unlink(missing_ok=True)


def forbidden(path: Path) -> None:
    path.symlink_to(path)  # ELOOP: root may read everything else


BAD = [fifo, device, folder, large, missing, forbidden]


@asynccontextmanager
async def a_loop_that_is_free() -> AsyncIterator[None]:
    """Raises if the event loop stood still for a while."""
    longest, loop = 0.0, asyncio.get_running_loop()

    async def tick() -> None:
        nonlocal longest
        while True:
            before = loop.time()
            await asyncio.sleep(0.01)
            longest = max(longest, loop.time() - before)

    task = asyncio.create_task(tick())
    yield
    task.cancel()
    assert longest < 1.0


@pytest.mark.parametrize("what", ["token", "certificate", "key", "ca"])
@pytest.mark.parametrize("make", BAD)
async def test_a_file_that_cannot_be_read_is_named_and_holds_nobody(
    tmp_path: Path, make: Callable[[Path], None], what: str
) -> None:
    path = tmp_path / "it"
    make(path)
    here, good = Pem(file=str(path)), Pem(data=b"x")
    users = {
        "token": UserEntry("ada", token_file=str(path), file="/k"),
        "certificate": UserEntry("ada", certificate=here, key=good, file="/k"),
        "key": UserEntry("ada", certificate=good, key=here, file="/k"),
        "ca": UserEntry("ada", exec=Exec("client.authentication.k8s.io/v1", "x", provide_cluster_info=True)),
    }
    cluster = ClusterEntry("dev", "https://127.0.0.1:1", ca=here if what == "ca" else Pem())
    async with a_loop_that_is_free(), asyncio.timeout(5):
        with pytest.raises(LoginError) as caught:
            await Login(of(users[what], cluster)).credentials()
        assert f": {path}: " in caught.value.what
        if what == "ca":
            server = ApiServer(
                of(UserEntry("ada"), cluster), Login(of(UserEntry("ada"), cluster)), Timeouts(), lambda: None
            )
            with pytest.raises(
                ClusterUnreachable, match="cannot use the certificate-authority of cluster dev"
            ):
                await server.connect(None, 1)


@pytest.mark.parametrize("make", BAD)
async def test_what_was_read_last_goes_on_while_reading_fails_and_is_said_once(
    tmp_path: Path, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    path.write_text("one")
    login = Login(of(UserEntry("ada", token_file=str(path))))
    first = await login.credentials()
    path.unlink()
    make(path)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert await login.credentials() is first
    assert len(caplog.records) == 1
    assert f"cannot read {path} now: " in caplog.text

    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    path.write_text("two")
    assert token(await login.credentials()) == "Bearer two"


async def test_a_failure_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    path.write_text("one")
    login = Login(of(UserEntry("ada", token_file=str(path))))
    real = credentials.read_outside

    async def without_descriptors(*_: object) -> bytes:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))

    monkeypatch.setattr(credentials, "read_outside", without_descriptors)
    for _ in range(2):
        with pytest.raises(Shortage, match="Too many open files"):
            await login.credentials()
    monkeypatch.setattr(credentials, "read_outside", real)
    assert token(await login.credentials()) == "Bearer one"


async def test_a_token_beside_the_file_serves_while_the_file_is_not_there(tmp_path: Path) -> None:
    """As in client-go."""
    path = tmp_path / "token"
    login = Login(of(UserEntry("ada", token=Secret("beside"), token_file=str(path))))

    assert token(await login.credentials()) == "Bearer beside"
    path.write_text(" \n")
    assert token(await login.credentials()) == "Bearer beside"
    path.write_text(" from-file\n\n")
    assert token(await login.credentials()) == "Bearer from-file"


# -- renewed in place


@asynccontextmanager
async def server_with_files(folder: Path) -> AsyncIterator[tuple[ApiServer, ssl.SSLContext, list[str]]]:
    """A server that wants client certificates, its TLS, and the common names of who connected."""
    names: list[str] = []
    pair = certificates.pair("server", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for name, content in (("s.crt", pair.certificate), ("s.key", pair.key), ("ca.crt", certificates.ca())):
        (folder / name).write_bytes(content)
    context.load_cert_chain(folder / "s.crt", folder / "s.key")
    context.load_verify_locations(folder / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    renew_client(folder, "ada")
    async with serving(context) as api:
        api.on_connection = lambda writer: names.append(writer.get_extra_info("peercert")["subject"][0][0][1])
        user = UserEntry(
            "ada", certificate=Pem(file=str(folder / "c.crt")), key=Pem(file=str(folder / "c.key")), file="/k"
        )
        access = of(user, ClusterEntry("dev", api.url, ca=Pem(file=str(folder / "ca.crt"))))
        yield ApiServer(access, Login(access), Timeouts(), lambda: None), context, names


def renew_client(folder: Path, name: str) -> None:
    pair = certificates.pair(name)
    (folder / "c.crt").write_bytes(pair.certificate)
    (folder / "c.key").write_bytes(pair.key)


async def ask(server: ApiServer) -> None:
    """On a new connection."""
    session = server.session()
    try:
        await session.read("/api/v1/pods")
    finally:
        server.close_session(session)


async def test_a_client_certificate_that_is_renewed_in_place_is_used_by_the_next_dial(tmp_path: Path) -> None:
    async with server_with_files(tmp_path) as (server, _, names):
        await ask(server)
        renew_client(tmp_path, "ada-renewed")
        await ask(server)
        assert names == ["ada", "ada-renewed"]


async def test_files_that_are_renewed_one_after_the_other_stop_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with server_with_files(tmp_path) as (server, _, names):
        await ask(server)
        renewed = certificates.pair("ada-renewed")
        for half in (renewed.certificate, renewed.certificate[:100], b""):
            (tmp_path / "c.crt").write_bytes(half)
            await ask(server)
        (tmp_path / "c.crt").write_bytes(renewed.certificate)
        await ask(server)
        (tmp_path / "c.key").write_bytes(renewed.key)
        await ask(server)
        assert names == ["ada"] * 5 + ["ada-renewed"]
    assert "the last login stays in use" in caplog.text


async def test_a_ca_that_is_renewed_in_place_is_used_by_the_next_dial(tmp_path: Path) -> None:
    other = certificates.another_ca()
    async with server_with_files(tmp_path) as (server, _, names):
        await ask(server)
        for part in (b"", certificates.ca()[:200], b"\xff\xfe"):
            (tmp_path / "ca.crt").write_bytes(part)
            await ask(server)
        (tmp_path / "ca.crt").write_bytes(other)
        with pytest.raises(ClusterUnreachable, match="cannot trust"):
            await ask(server)
        (tmp_path / "ca.crt").write_bytes(other + certificates.ca())
        await ask(server)
        assert len(names) == 5


async def test_what_lives_goes_on_when_a_certificate_is_renewed(tmp_path: Path) -> None:
    async with server_with_files(tmp_path) as (server, _, _names):
        lives = server.session()
        connection = await server.connect((await server.login.credentials()).certificate, 5)
        await lives.read("/api/v1/pods")
        renew_client(tmp_path, "ada-renewed")
        await ask(server)
        answer = await connection.get("/version", timeout=5)  # one that was dialled before
        assert answer.status == 200
        server.close_session(lives)
        connection.close()


async def test_a_plugin_is_told_the_ca_of_now(tmp_path: Path, script: Callable[[str], str]) -> None:  # noqa: F811
    command = script(
        "told = json.loads(os.environ['KUBERNETES_EXEC_INFO'])['spec']['cluster']['certificate-authority-data']\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential',"
        " 'status': {'token': told}}))"
    )
    (tmp_path / "ca").write_bytes(b"CA")
    cluster = ClusterEntry("dev", "https://dev", ca=Pem(file=str(tmp_path / "ca")))
    login = Login(of(UserEntry("ada", exec=plugin(command, provide_cluster_info=True)), cluster))

    assert token(await login.credentials()) == "Bearer Q0E="


# -- what no header can hold

LINE_BREAK = "a line break"


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ("S3CR3T\n", LINE_BREAK),
        ("S3CR3T\r\nX-Evil: 1", LINE_BREAK),
        ("S3\0CR3T", "a NUL character"),
        ("S3\x1bCR3T", r"the control character '\x1b'"),
        ("S3\x7fCR3T", r"the control character '\x7f'"),
    ],
)
@pytest.mark.parametrize("source", ["token", "tokenFile", "plugin", "as", "as-groups"])
async def test_what_no_header_can_hold_is_said_and_not_shown(
    tmp_path: Path, bad: str, fault: str, source: str
) -> None:
    async def prints(*_: object, **__: object) -> object:
        from kfw.kube.exec_plugin import PluginStatus

        return PluginStatus(token=bad)

    path = tmp_path / "token"
    path.write_text(f"x{bad}x", newline="")  # its ends are trimmed, as in client-go
    users = {
        "token": (UserEntry("ada", token=Secret(bad), file="/k"), "the token of user ada in /k"),
        "tokenFile": (UserEntry("ada", token_file=str(path), file="/k"), f"the token of user ada in {path}"),
        "plugin": (
            UserEntry("ada", exec=Exec("v1", "aws"), file="/k"),
            "the token that the login plugin aws printed for user ada",
        ),
        "as": (UserEntry("ada", impersonate=(("Impersonate-User", bad),), file="/k"), "Impersonate-User of user ada in /k"),
        "as-groups": (
            UserEntry("ada", token=Secret("good"), impersonate=(("Impersonate-Group", bad),), file="/k"),
            "Impersonate-Group of user ada in /k",
        ),
    }  # fmt: skip
    user, words = users[source]
    with pytest.raises(LoginError) as caught:
        await Login(of(user), plugin=prints).credentials()  # type: ignore[arg-type]
    error = caught.value

    assert error.what == f"{words} contains {fault}, which cannot be sent"
    assert "S3" not in error.what + error.fix + str(error.__cause__)
    static = source in ("token", "as", "as-groups")
    assert error.reason == ("bad-config" if static else "login-expired")


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("zürich", "zürich"),
        ("a b", "a b"),
        (" \tabc \t", "abc"),
        ("a\tb", "a\tb"),
        ("日本", "日本"),
        ("x" * 8000, "x" * 8000),
    ],
)
async def test_what_kubectl_sends_is_sent(value: str, sent: str) -> None:
    user = UserEntry("ada", token=Secret(f"t{value}"), impersonate=(("Impersonate-User", value),))
    async with serving() as api:
        server = ApiServer(of(user, ClusterEntry("dev", api.url)), Login(of(user)), Timeouts(), lambda: None)
        await ask(server)
        [request] = api.requests
        assert request.headers["impersonate-user"] == sent
        assert request.headers["authorization"] == f"Bearer t{value}".strip(" \t")


async def test_a_name_that_is_no_header_is_refused() -> None:
    user = UserEntry("ada", impersonate=(("Impersonate-Extra-a b", "x"),), file="/k")
    with pytest.raises(KfwError, match="is not the name of a header"):
        await Login(of(user)).credentials()
