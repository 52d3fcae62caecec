import errno
import subprocess
import sys

import pytest

from kfw.system.open_files import OpenFiles, Use, is_shortage, open_files_limit, raise_it, zone


def test_the_soft_limit_of_open_files_becomes_the_hard_one() -> None:
    code = (
        "import resource; from kfw.system.open_files import raise_open_files;"
        "_, hard = resource.getrlimit(resource.RLIMIT_NOFILE);"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard)); raise_open_files();"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


@pytest.mark.parametrize("limit", [64, 160, 256, 1024, 4096, 1_048_576])
def test_the_zones_leave_most_of_the_files_to_connections(limit: int) -> None:
    assert 5 <= zone(limit) <= 64
    assert limit - max(Use) * zone(limit) >= limit / 2


def test_who_may_open_one_more_depends_on_what_for() -> None:
    files, limit = OpenFiles(), open_files_limit()
    edges = {use: limit - use * zone(limit) for use in Use}
    assert (
        edges[Use.WARM]
        < edges[Use.LISTEN]
        < edges[Use.ACCEPT]
        < edges[Use.DIAL]
        < edges[Use.UPKEEP]
        < limit - 5
    )
    for use, edge in edges.items():
        assert files.allows(edge - 1, use)
    assert files.shortage() == ""
    for use, edge in edges.items():
        assert not files.allows(edge, use)
    assert f"the limit of open files ({limit}) is reached" in files.shortage()


def test_a_shortage_is_over_some_seconds_after_the_last_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    files, now = OpenFiles(), 100.0
    monkeypatch.setattr("kfw.system.open_files.time.monotonic", lambda: now)
    files.refuse()
    now = 104.0
    assert files.shortage()
    files.refuse()
    now = 108.0
    assert files.shortage()
    now = 110.0
    assert files.shortage() == ""


def test_the_fix_is_for_shells_and_for_systemd() -> None:
    assert raise_it(256) == "`kfw stop`, `ulimit -n 4096`, `kfw start`; in a systemd unit LimitNOFILE=4096"
    assert "ulimit -n 16384" in raise_it(4096)


def test_what_is_a_shortage() -> None:
    assert all(is_shortage(OSError(n, "")) for n in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
    assert not any(is_shortage(OSError(n, "")) for n in (errno.ECONNREFUSED, errno.EADDRINUSE, errno.EACCES))


def test_a_process_without_any_free_file_has_no_room() -> None:
    code = (
        "import resource, os; from kfw.system.open_files import OPEN_FILES, Use;"
        "assert OPEN_FILES.has_room(Use.LISTEN);"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (os.dup(0), 4096));"
        "assert not OPEN_FILES.has_room(Use.DIAL); assert OPEN_FILES.shortage()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
