import logging
from pathlib import Path

import pytest

from kfw.daemon.logs import log_to
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


def test_B24_the_log_has_times_is_private_and_is_rotated_by_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kfw.daemon.logs.MAX_BYTES", 2000)
    log_to(tmp_path / "kfw.log", "info")
    logger = logging.getLogger("kfw.forward")
    try:
        for number in range(100):
            logger.info("line %s", number)
    finally:
        for handler in logging.getLogger("kfw").handlers:
            handler.close()
        logging.getLogger("kfw").handlers = []
        logging.getLogger("asyncio").handlers = []
    text = (tmp_path / "kfw.log").read_text()
    assert text.splitlines()[-1].endswith("INFO    line 99")
    assert text.startswith("20")
    assert (tmp_path / "kfw.log.1").exists()
    assert (tmp_path / "kfw.log").stat().st_mode & 0o777 == 0o600
