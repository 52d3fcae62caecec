"""Colours and live lines: only on a terminal, and not against NO_COLOR."""

from pathlib import Path

import pytest

from tests.cli.running import kfw
from tests.cli.terminal import on_a_terminal, screen
from tests.client.fake_daemon import FakeDaemon, event, row
from tests.commands.conftest import project_folder
from tests.commands.project import configure

__all__ = ["project_folder"]

ESCAPE = "\x1b"


def test_FR_CLI_08_colours_are_only_on_a_terminal(daemon: FakeDaemon) -> None:
    daemon.forwards = [row("api")]
    assert "\x1b[32m● active 2m\x1b[0m" in on_a_terminal(["status"])[1]
    assert ESCAPE not in kfw("status").stdout


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_FR_CLI_08_no_color_and_dumb_terminals_get_none(daemon: FakeDaemon, env: dict[str, str]) -> None:
    daemon.forwards = [row("api")]
    assert ESCAPE not in on_a_terminal(["status"], env=env)[1]


def test_an_error_has_no_colour_in_a_pipe(home: Path) -> None:
    assert ESCAPE not in kfw("status").stderr
    assert on_a_terminal(["status"])[1].startswith("\x1b[31mkfw:\x1b[0m the daemon")


def test_json_is_indented_for_eyes_only(daemon: FakeDaemon) -> None:
    assert "\n" in on_a_terminal(["status", "--json"])[1].strip()
    assert "\n" not in kfw("status", "--json").stdout.strip()


def test_up_draws_in_place_and_leaves_only_the_table(daemon: FakeDaemon, project: Path) -> None:
    configure(project, {"api": {"target": "service/api", "localPort": 8080}})
    daemon.forwards = [row("api", "starting")]
    daemon.events = [event(1, row("api"))]
    code, output = on_a_terminal(["up"], env={"NO_COLOR": "1"}, cwd=project)
    assert code == 0
    drawn = output.partition("NAME  STATUS")[0]
    assert [
        line for line in ("○ api  starting", "● api  active        http://localhost:8080") if line in drawn
    ]
    assert screen(output)[0].startswith("NAME  STATUS")


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (140, 40)])
def test_what_is_watched_fits_the_window_with_its_header(daemon: FakeDaemon, size: tuple[int, int]) -> None:
    daemon.forwards = [row(f"service-{number}") for number in range(50)]
    code, output = on_a_terminal(["status", "--watch"], size=size, interrupt_at="more lines")
    assert code == 130
    during = screen(output.partition("^C")[0], size)
    assert len(during) == size[1]
    assert during[0].startswith("NAME")
    assert "more lines, the window is too small" in during[-1]


def test_more_forwards_than_lines_are_drawn_in_place_too(daemon: FakeDaemon, project: Path) -> None:
    names = [f"service-{number}" for number in range(30)]
    configure(project, {name: {"target": "service/x", "localPort": 0} for name in names})
    daemon.forwards = [row(name, "starting") for name in names]
    daemon.events = [event(number, row(name)) for number, name in enumerate(names, 1)]
    code, output = on_a_terminal(["up"], env={"NO_COLOR": "1"}, cwd=project)
    assert code == 0
    drawn, header, _ = output.partition("NAME ")
    assert screen(drawn + header, (80, 100)) == [header.strip()]


def test_up_shows_what_a_login_wants_whole_and_once(daemon: FakeDaemon, project: Path) -> None:
    words = f"waiting for a login of user ada: open https://login.example/{'x' * 150} and enter the code ABCD-EFGH"
    waits = {"reason": "login-pending", "message": words}
    configure(project, {name: {"target": "service/x", "localPort": 0} for name in ("api", "db")})
    daemon.forwards = [row("api", "starting", **waits), row("db", "starting", **waits)]
    daemon.events = [event(1, row("api")), event(2, row("db"))]
    code, output = on_a_terminal(["up"], env={"NO_COLOR": "1"}, cwd=project)
    assert code == 0
    assert output.count(f"{words}\n") == 1


def test_A40_ctrl_c_on_a_terminal_is_130_and_no_traceback(daemon: FakeDaemon) -> None:
    daemon.forwards = [row("api")]
    code, output = on_a_terminal(["status", "--watch"], interrupt_at="active")
    assert code == 130
    assert "\x1b[?1049l" in output  # the terminal's own screen is back
    assert "\x1b[?25h" in output  # and its cursor
    assert screen(output.rpartition("\x1b[?1049l")[2])[0].startswith("NAME")
    assert "Traceback" not in output
