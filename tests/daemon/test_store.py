import json
import logging
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from kfw.daemon.store import VERSION, WantedRecord, load, save
from kfw.model import Forward
from kfw.protocol import Source
from kfw.supervisor.wanted import Project, Switch, Wish
from tests.fakes import forward

KEY = "/p/kfw.yaml"


def source(**flags: str) -> Source:
    return Source(key=KEY, cwd="/p", flags=flags)


def first(*forwards: Forward, whole: bool, **flags: str) -> bytes:
    """The file of the kfw that had one set of flags per project."""
    asked = {KEY: {"source": source(**flags), "whole": whole}}
    return msgspec.json.encode({"forwards": [replace(each, source=KEY) for each in forwards], "asked": asked})


def test_what_was_wanted_comes_back_the_same(tmp_path: Path) -> None:
    project = Project(
        whole=Wish(Switch.UP, source()),
        profiles={"dev": Wish(Switch.DISABLED, source())},
        names={"a": Wish(Switch.UP, source(context="other")), "b": Wish(Switch.DOWN, source())},
        files={KEY: (1, 2, 3, 4), "/u/config.yaml": None},
    )
    record = WantedRecord([forward("a"), forward("b", target_port="http")], {KEY: project})
    save(tmp_path / "up.json", record)
    assert load(tmp_path / "up.json") == record
    assert (tmp_path / "up.json").stat().st_mode & 0o777 == 0o600


def test_nothing_saved_is_nothing_up(tmp_path: Path) -> None:
    assert load(tmp_path / "up.json") == WantedRecord()


def test_FR_CORE_05_a_torn_file_is_put_aside_and_the_daemon_starts(tmp_path: Path) -> None:
    whole = msgspec.json.encode(WantedRecord([forward("a")], {KEY: Project(whole=Wish(Switch.UP, source()))}))
    torn = [b'{"forwards": [', b"\xff\xfe", b"", b'{"forwards": 3}', b"[]", b'{"version": 2, "projects": 7}']
    for data in (*torn, whole[:-1], whole[: len(whole) // 2]):
        (tmp_path / "up.json").write_bytes(data)
        assert load(tmp_path / "up.json") == WantedRecord()
        assert (tmp_path / "up.broken").read_bytes() == data


def test_the_file_of_a_newer_kfw_is_put_aside_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "up.json").write_text(json.dumps({"version": VERSION + 1, "forwards": "in another way"}))
    with caplog.at_level(logging.WARNING):
        assert load(tmp_path / "up.json") == WantedRecord()
    assert f"it is of version {VERSION + 1}, this kfw reads {VERSION}" in caplog.text
    assert (tmp_path / "up.broken").exists()


def test_an_older_file_keeps_what_was_up_and_how_it_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "up.json").write_bytes(first(forward("a"), whole=True, method="auto"))
    record = load(tmp_path / "up.json")
    assert [one.name for one in record.forwards] == ["a"]
    assert record.projects == {KEY: Project(whole=Wish(Switch.UP, source(method="auto")))}


def test_the_flags_of_an_older_file_go_only_to_forwards_that_have_what_they_say(tmp_path: Path) -> None:
    """There `up api --context other` was written down as the flags of the whole project."""
    forwards = forward("api", context="other"), forward("db", context="dev")
    (tmp_path / "up.json").write_bytes(first(*forwards, whole=True, context="other"))
    project = load(tmp_path / "up.json").projects[KEY]
    assert project.whole == Wish(Switch.UP, source())
    assert project.names["api"].source.flags == {"context": "other"}
    assert project.names["db"].source.flags == {}


def test_an_older_file_of_an_up_of_some_names_wants_no_others(tmp_path: Path) -> None:
    (tmp_path / "up.json").write_bytes(first(forward("api"), whole=False))
    project = load(tmp_path / "up.json").projects[KEY]
    assert (project.whole, list(project.names)) == (None, ["api"])
