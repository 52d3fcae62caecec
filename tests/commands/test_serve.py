"""kfw serve: what the daemon is started with, understood without Typer."""

import pytest

from kfw import cli
from kfw.commands.serve import plain


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], {}),
        (["--on-demand", "--to-log-file"], {"on_demand": True, "to_log_file": True}),
        (["--notices"], {"notices": True}),
        (["--metrics-listen=127.0.0.1:9464"], {"metrics_listen": "127.0.0.1:9464"}),
        (
            ["--metrics-listen=[::1]:9464", "--log-level=warn"],
            {"metrics_listen": "[::1]:9464", "log_level": "warn"},
        ),
        (["--metrics-listen"], None),
        (["--help"], None),
    ],
)
def test_what_up_says_to_it_is_understood(arguments: list[str], found: dict[str, object] | None) -> None:
    assert plain(arguments) == found


@pytest.mark.parametrize(
    "listen", ["9464", ":9464", "host:9464", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x"]
)
def test_an_address_that_cannot_be_is_refused_before_anything_starts(
    listen: str, home: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["serve", f"--metrics-listen={listen}"]) == 2
    assert "is not an address and a port" in capsys.readouterr().err
