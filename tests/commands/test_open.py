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


PAGE = {"kind": "grpc", "status": "active", "url": "http://127.0.0.1:9200/", "message": ""}
NO_PAGE = {"kind": "grpc", "status": "error", "url": None, "message": "grpcui was killed by SIGKILL"}


def test_a_page_is_what_is_opened_unless_the_forward_itself_is_meant(
    daemon: FakeDaemon, capsys: Captured
) -> None:
    daemon.forwards = [row("cart", url=None, localPort=50051, ui=PAGE)]
    assert cli.run(["open", "cart", "--print"]) == 0
    assert capsys.readouterr().out == "http://127.0.0.1:9200/\n"
    assert cli.run(["open", "cart", "--print", "--direct"]) == 0
    assert capsys.readouterr().out == "localhost:50051\n"


def test_why_a_page_is_not_there_is_told_and_the_forward_is_opened(
    daemon: FakeDaemon, capsys: Captured
) -> None:
    daemon.forwards = [row("cart", ui=NO_PAGE)]
    assert cli.run(["open", "cart", "--print"]) == 0
    said = capsys.readouterr()
    assert said.out == "http://localhost:8080\n"
    assert said.err == "kfw: gRPC UI: grpcui was killed by SIGKILL\n"
