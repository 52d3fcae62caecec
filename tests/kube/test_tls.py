"""A client's key is on no disk, whatever happens while TLS is set up; and what cannot be used is said."""

import base64
import errno
import os
import signal
import ssl
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from kfw.errors import LoginError
from kfw.kube import tls
from kfw.kube.tls import ClientCertificate
from kfw.kubeconfig.entries import ClusterEntry, Pem
from tests.kube import certificates

DEV = ClusterEntry("dev", "https://dev", insecure=True)
PAIR = certificates.pair("ada")
GOOD = ClientCertificate(PAIR.certificate, PAIR.key)
CA = certificates.ca()
TRUSTING = ClusterEntry("dev", "https://dev", Pem(CA))
BAD = b"-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n"


@pytest.fixture(params=["memory file", "pipe"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How OpenSSL gets it: the second is for systems without memory files (macOS)."""
    if request.param == "pipe":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    elif not hasattr(os, "memfd_create"):
        pytest.skip("this system has no memory files")
    return str(request.param)


@pytest.fixture
def everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Path]]:
    """All files of the folders that something temporary could be in."""
    for name in ("TMPDIR", "KFW_HOME", "XDG_RUNTIME_DIR"):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    return lambda: [file for file in tmp_path.rglob("*") if not file.is_dir()]


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/dev/fd").iterdir()}


def test_a_certificate_and_its_key_are_used_and_nothing_is_left(
    way: str, everywhere: Callable[[], list[Path]]
) -> None:
    before = len(descriptors())
    for certificate in (PAIR.certificate, PAIR.certificate * 200):  # more than a pipe holds
        tls.context(DEV, ClientCertificate(certificate, PAIR.key))
    assert everywhere() == []
    assert len(descriptors()) == before


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        (b"", PAIR.key),
        (PAIR.certificate, b""),
        (b"no pem", PAIR.key),
        (PAIR.certificate, b"no pem"),
        (PAIR.certificate, b"x" * 1_000_000),
        (PAIR.certificate, certificates.pair("bob").key),
        (PAIR.key, PAIR.certificate),
        (PAIR.certificate, PAIR.key[:100]),
    ],
    ids=range(8),
)
def test_what_cannot_be_used_is_a_login_error_that_shows_nothing_and_leaves_nothing(
    way: str, everywhere: Callable[[], list[Path]], certificate: bytes, key: bytes
) -> None:
    before = len(descriptors())
    with pytest.raises(LoginError, match="cannot use the client certificate") as caught:
        tls.context(DEV, ClientCertificate(certificate, key))
    assert caught.value.fix == "the certificate and its key must be PEM, belong together and have no password"
    assert "PRIVATE" not in caught.value.what
    assert everywhere() == []
    assert len(descriptors()) == before


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_machine_that_is_short_of_something_is_said_and_the_next_try_is_good(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "memfd_create", refuse, raising=False)
        with pytest.raises(LoginError, match=os.strerror(number)) as caught:
            tls.context(DEV, GOOD)
    assert "kfw tries again by itself" in caught.value.fix
    tls.context(DEV, GOOD)


def test_a_process_without_descriptors_says_so_and_goes_on_when_it_has_some() -> None:
    done = run(
        """
        import os, resource
        low = len(os.listdir("/dev/fd")) + 1
        context(DEV, GOOD)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        try:
            context(DEV, GOOD)
        except LoginError as error:
            print(error.what, error.fix)
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        context(DEV, GOOD)
        print("good")
        """
    )
    said = done.stdout.decode()
    assert "Too many open files" in said, said + done.stderr.decode()
    assert said.endswith("good\n")


@pytest.mark.parametrize("without", ["", "del os.memfd_create"])
def test_a_kill_in_the_middle_leaves_no_key(everywhere: Callable[[], list[Path]], without: str) -> None:
    """At the worst moment: OpenSSL is about to read the key."""
    done = run(
        f"""
        import os, signal, ssl
        {without}
        def killed(self, certfile, keyfile=None, password=None):
            assert os.path.exists(keyfile)
            os.kill(os.getpid(), signal.SIGKILL)
        ssl.SSLContext.load_cert_chain = killed
        context(DEV, GOOD)
        """
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert everywhere() == []


def test_a_full_disk_is_no_obstacle(way: str, everywhere: Callable[[], list[Path]]) -> None:
    """No file can be made or written."""
    done = run(
        f"""
        import errno, os
        {"del os.memfd_create" if way == "pipe" else ""}
        def refuse(event, args):
            if event == "open" and isinstance(args[0], (str, bytes)) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), args[0])
        sys.addaudithook(refuse)
        try:
            open("full", "w")
        except OSError:
            context(DEV, GOOD)
            print("good")
        """
    )
    assert done.stdout == b"good\n", done.stderr.decode()
    assert everywhere() == []


def run(body: str) -> "subprocess.CompletedProcess[bytes]":
    head = f"""
import sys
from kfw.errors import LoginError
from kfw.kube.tls import ClientCertificate, context
from kfw.kubeconfig.entries import ClusterEntry, Pem
DEV = ClusterEntry("dev", "https://dev", insecure=True)
GOOD = ClientCertificate({PAIR.certificate!r}, {PAIR.key!r})
"""
    return subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(body)], capture_output=True, timeout=60, check=False
    )


@pytest.mark.parametrize("ca", [b"", b"no pem", b"\xff", certificates.ca()[:100]], ids=range(4))
def test_a_ca_that_cannot_be_used_is_said(ca: bytes) -> None:
    from kfw.errors import ClusterUnreachable
    from kfw.kubeconfig.entries import Pem

    cluster = ClusterEntry("dev", "https://dev", ca=Pem(file="/x"))
    with pytest.raises(ClusterUnreachable, match="cannot use the certificate-authority of cluster dev"):
        tls.context(cluster, None, ca)
    assert isinstance(tls.context(cluster, None, certificates.ca()), ssl.SSLContext)


@pytest.mark.parametrize(
    "bundle",
    [
        CA,
        b"# caf\xe9 \xff\xfe\n" + CA,
        CA.replace(b"\n", b"\r\n"),
        CA.replace(b"\n", b"\r"),
        b" \t\n\n" + CA,
        b"\xef\xbb\xbf" + CA,
        b"\n".join(b"    " + line for line in CA.splitlines()),
        BAD + CA,
        CA + BAD,
        BAD.replace(b"YWJj", b"\xff***") + CA,
        BAD.replace(b"YWJj", b"") + CA,
        b"-----BEGIN CERTIFICATE-----\ncut off\n" + CA,
        certificates.pair("ada").key + CA,
        CA + CA,
        CA.strip(),
    ],
)
def test_what_can_be_used_is_and_the_rest_is_passed_over(bundle: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.trust(context, bundle)

    assert context.get_ca_certs(binary_form=True) == [ssl.PEM_cert_to_DER_cert(CA.decode())]


@pytest.mark.parametrize(
    "bundle",
    [
        b"",
        b"words",
        BAD,
        BAD * 3,
        base64.b64decode("".join(CA.decode().splitlines()[1:-1])),  # DER
        CA.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE"),
        CA.replace(b"CERTIFICATE-----\n", b"CERTIFICATE-----\nX: y\n\n", 1),
        certificates.pair("ada").key,
        CA.decode().encode("utf-16"),
    ],
)
def test_a_bundle_without_a_certificate_is_an_error(bundle: bytes) -> None:
    with pytest.raises((ssl.SSLError, ValueError)):
        tls.trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), bundle)


def test_a_large_bundle_of_nonsense_costs_little() -> None:
    for bundle in (
        b"-----BEGIN CERTIFICATE-----\n" * 100_000,
        BAD * 50_000,
        b"-----BEGIN CERTIFICATE-----" + b"A" * 4_000_000,
    ):
        assert len(list(tls.blocks(bundle))) in (0, 50_000)


class Shaking:
    """A client's and a server's end of one connection, which go on one step at a time."""

    def __init__(self, client: ssl.SSLContext, server: ssl.SSLContext, name: str = "dev") -> None:
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(back, there, server_hostname=name)
        self.server = server.wrap_bio(there, back, server_side=True)

    def step(self) -> bool:
        """Whether that was the last one."""
        done = 0
        for end in (self.client, self.server):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
                done += 1
        return done == 2

    def finish(self) -> "Shaking":
        while not self.step():
            pass
        self.server.write(b"hello")
        assert self.client.read(5) == b"hello"
        return self


SERVER = certificates.pair("dev", "dev", "other")


@pytest.fixture
def server() -> ssl.SSLContext:
    made = certificates.server_context(SERVER)
    made.load_verify_locations(cadata=CA.decode())
    made.verify_mode = ssl.CERT_OPTIONAL
    return made


@pytest.fixture
def client() -> ssl.SSLContext:
    return tls.context(TRUSTING, GOOD, CA)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_connection_goes_on_with_the_session_of_the_one_before_as_the_same_user(
    client: ssl.SSLContext, server: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    server.maximum_version = version
    made = [Shaking(client, server).finish() for _ in range(4)]
    assert [one.client.session_reused for one in made] == [False, True, True, True]
    who = made[0].server.getpeercert()
    assert who and all(one.server.getpeercert() == who for one in made)


def test_a_session_is_not_taken_to_another_name_nor_to_another_login(
    client: ssl.SSLContext, server: ssl.SSLContext
) -> None:
    kept = Shaking(client, server).finish()
    assert not Shaking(client, server, "other").finish().client.session_reused
    assert not Shaking(tls.context(TRUSTING, GOOD, CA), server).finish().client.session_reused
    assert Shaking(client, server).finish().client.session_reused and kept


def test_a_server_that_does_not_know_the_session_is_asked_for_its_certificate_again(
    client: ssl.SSLContext, server: ssl.SSLContext
) -> None:
    kept = Shaking(client, server).finish()
    another = certificates.server_context(certificates.pair("dev", "dev"))
    assert not Shaking(client, another).finish().client.session_reused
    impostor = certificates.server_context(certificates.pair("dev", "dev", self_signed=True))
    with pytest.raises(ssl.SSLCertVerificationError):
        Shaking(client, impostor).finish()
    assert kept


@pytest.mark.parametrize("steps", range(4))
def test_connections_that_are_still_being_made_are_no_trouble_for_the_next(
    client: ssl.SSLContext, server: ssl.SSLContext, steps: int
) -> None:
    """OpenSSL has a session in the middle of a handshake, and cannot copy it."""
    begun = [Shaking(client, server) for _ in range(6)]
    for one in begun:
        [one.step() for _ in range(steps)]
        Shaking(client, server)
    assert all(one.finish() for one in begun)
    assert Shaking(client, server).finish().client.session_reused
