"""kfw open --own-host; the rest of it is in tests/cli/test_habits.py."""

import pytest

from kfw import cli
from tests.client.fake_daemon import FakeDaemon, row

Captured = pytest.CaptureFixture[str]


def test_own_host_has_the_target_and_its_namespace(daemon: FakeDaemon, capsys: Captured) -> None:
    daemon.forwards = [row("api", target="service/web")]
    assert cli.run(["open", "api", "--print", "--own-host"]) == 0
    assert capsys.readouterr().out == "http://web.shop.localhost:8080\n"


def test_what_speaks_no_http_has_no_host_of_its_own(daemon: FakeDaemon, capsys: Captured) -> None:
    daemon.forwards = [row("db", url=None, localPort=5432)]
    assert cli.run(["open", "db", "--print", "--own-host"]) == 2
    assert "db has no URL on loopback, it is on localhost:5432" in capsys.readouterr().err
