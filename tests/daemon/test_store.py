from pathlib import Path

from kfw.daemon.store import Asked, Saved, load, save
from kfw.protocol import Source
from tests.fakes import forward


def test_what_was_up_comes_back_the_same(tmp_path: Path) -> None:
    saved = Saved(
        [forward("a"), forward("b", target_port="http")], {"k": Asked(Source(key="k", cwd="/"), True)}
    )
    save(tmp_path / "up.json", saved)
    assert load(tmp_path / "up.json") == saved
    assert (tmp_path / "up.json").stat().st_mode & 0o777 == 0o600


def test_nothing_saved_is_nothing_up(tmp_path: Path) -> None:
    assert load(tmp_path / "up.json") == Saved()


def test_a_torn_file_is_put_aside_and_the_daemon_starts(tmp_path: Path) -> None:
    for torn in (b'{"forwards": [', b"\xff\xfe", b"", b'{"forwards": 3}'):
        (tmp_path / "up.json").write_bytes(torn)
        assert load(tmp_path / "up.json") == Saved()
        assert (tmp_path / "up.broken").read_bytes() == torn
