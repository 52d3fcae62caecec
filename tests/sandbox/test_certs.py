import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kfw.sandbox import certs
from kfw.sandbox.certs import DAYS, ensure, key_of


@pytest.fixture
def now(tmp_path: Path) -> float:
    return tmp_path.stat().st_mtime + 1


def test_they_are_made_once_and_nobody_else_can_read_them(tmp_path: Path, now: float) -> None:
    first = ensure(tmp_path / "pki", now)
    before = first.server.read_bytes()
    assert ensure(tmp_path / "pki", now).server.read_bytes() == before
    assert stat.S_IMODE(key_of(first.ca).stat().st_mode) == 0o600


def test_they_are_made_anew_before_they_end_and_when_one_is_missing(tmp_path: Path, now: float) -> None:
    first = ensure(tmp_path, now)
    before = first.server.read_bytes()
    later = ensure(tmp_path, now + (DAYS - 29) * 86400).server.read_bytes()
    assert later != before
    key_of(first.client).unlink()
    assert ensure(tmp_path, now).server.read_bytes() != later


def test_the_servers_certificate_is_good_for_every_name_of_this_machine(tmp_path: Path, now: float) -> None:
    made = ensure(tmp_path, now)
    client, server = ssl.create_default_context(cafile=str(made.ca)), made.server_context()
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("127.0.0.1", "localhost", "::1"):
        assert _shake_hands(client, server, name)


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> bool:
    """TLS in memory. Raises SSLError if they do not agree."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(down, up, server_hostname=name), server.wrap_bio(up, down, server_side=True)]
    done = [False, False]
    for _ in range(10):
        for place, end in enumerate(ends):
            try:
                end.do_handshake()
                done[place] = True
            except ssl.SSLWantReadError:
                continue
    return all(done)


def test_cryptography_is_not_loaded_when_nothing_has_to_be_made(tmp_path: Path, now: float) -> None:
    ensure(tmp_path, now)
    code = "import sys, pathlib; from kfw.sandbox import certs; "
    code += f"certs.ensure(pathlib.Path({str(tmp_path)!r}), {now}); "
    code += "sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_days_are_what_macos_accepts() -> None:
    assert certs.DAYS <= 825
