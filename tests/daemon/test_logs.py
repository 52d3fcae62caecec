import errno
import logging
import os
from io import StringIO
from pathlib import Path

import pytest

from kfw.daemon.logs import log_to, problem
from kfw.secret import redact


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abc.def",
        "token=sesame x",
        '{"password": "sesame"}',
        "got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln from the plugin",
    ],
)
def test_secrets_are_not_in_the_log(text: str) -> None:
    assert "***" in redact(text)
    assert not any(secret in redact(text) for secret in ("abc.def", "sesame", "eyJ"))


def test_an_ordinary_line_stays_as_it_is() -> None:
    line = "api: active via nodeport to node worker:30080"
    assert redact(line) == line


@pytest.mark.parametrize(
    "message",
    [
        "one\n2026-11-21T08:00:00.000Z INFO    forged: active",
        "one\r\n2026-11-21T08:00:00.000Z INFO    forged: active",
        "\x1b[2Kone",
        "\x1b]0;title\x07one",
        "\x9b2Jone\u2028two",
        "one\ud800",
    ],
)
def test_a_message_cannot_look_like_another_line_or_paint_a_terminal(tmp_path: Path, message: str) -> None:
    log_to(tmp_path / "kfw.log", "info")
    logging.getLogger("kfw.forward").info("%s", message)
    text = (tmp_path / "kfw.log").read_text()
    assert text.replace("\n", "").isprintable()
    assert not any(line.startswith("2026-11-21T08:00:00") for line in text.split("\n"))
    assert "one" in text


def test_a_link_in_place_of_the_log_is_put_aside_and_what_it_leads_to_stays_as_it_is(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("not a log")
    other.chmod(0o644)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "kfw.log").symlink_to(other)
    log_to(tmp_path / "state" / "kfw.log", "info")
    assert (other.read_text(), other.stat().st_mode & 0o777) == ("not a log", 0o644)
    assert (
        "kfw.log was not a file, so it was renamed to kfw.broken"
        in (tmp_path / "state" / "kfw.log").read_text()
    )


class Full(StringIO):
    """On a disk that is full."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("how", ["removed", "renamed", "replaced"])
def test_a_log_that_somebody_has_taken_away_is_begun_again(tmp_path: Path, how: str) -> None:
    log = tmp_path / "kfw.log"
    log_to(log, "info")
    log.rename(tmp_path / "away")
    if how == "removed":
        (tmp_path / "away").unlink()
    if how == "replaced":
        log.write_text("mine\n")
    logging.getLogger("kfw.forward").info("after")
    assert "after" in log.read_text()
    assert problem() == ""


def test_a_log_whose_place_is_taken_is_a_problem_until_it_is_free(tmp_path: Path) -> None:
    log = tmp_path / "kfw.log"
    log_to(log, "info")
    log.unlink()
    log.mkdir()
    logging.getLogger("kfw.forward").info("lost")
    assert problem() == f"the log {log} cannot be written: Is a directory"
    log.rmdir()
    logging.getLogger("kfw.forward").info("kept")
    assert "kept" in log.read_text()
    assert problem() == ""


def test_a_log_that_takes_no_more_is_a_problem_until_it_does_again(tmp_path: Path) -> None:
    log_to(tmp_path / "kfw.log", "info")
    logger = logging.getLogger("kfw.forward")
    (handler,) = logging.getLogger("kfw").handlers
    assert isinstance(handler, logging.StreamHandler)
    before = handler.setStream(Full())
    logger.info("lost")
    assert problem() == f"the log {tmp_path / 'kfw.log'} cannot be written: No space left on device"
    handler.setStream(before)
    logger.info("kept")
    assert problem() == ""


def test_B24_the_log_has_times_is_private_and_is_rotated_by_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kfw.daemon.logs.MAX_BYTES", 2000)
    log_to(tmp_path / "kfw.log", "info")
    logger = logging.getLogger("kfw.forward")
    for number in range(100):
        logger.info("line %s", number)
    text = (tmp_path / "kfw.log").read_text()
    assert text.splitlines()[-1].endswith("INFO    line 99")
    assert text.startswith("20")
    assert (tmp_path / "kfw.log.1").exists()
    assert (tmp_path / "kfw.log").stat().st_mode & 0o777 == 0o600
