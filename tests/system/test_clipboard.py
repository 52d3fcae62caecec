"""Which program has the clipboard, and what a terminal is told where there is none."""

import pytest

from kfw.system.clipboard import program, sequence


@pytest.mark.parametrize(
    ("environ", "platform", "there", "first"),
    [
        ({}, "darwin", {"pbcopy"}, "pbcopy"),
        ({"WAYLAND_DISPLAY": "w"}, "linux", {"wl-copy", "xclip"}, "wl-copy"),
        ({"WAYLAND_DISPLAY": "w", "DISPLAY": ":0"}, "linux", {"xclip"}, "xclip"),
        ({"DISPLAY": ":0"}, "linux", {"xsel"}, "xsel"),
        ({"WSL_DISTRO_NAME": "Debian"}, "linux", {"clip.exe"}, "clip.exe"),
        ({}, "linux", {"xclip", "wl-copy"}, None),
        ({"DISPLAY": ":0"}, "linux", set[str](), None),
    ],
)
def test_the_first_program_that_fits_and_is_there(
    environ: dict[str, str], platform: str, there: set[str], first: str | None
) -> None:
    argv = program(environ, platform, there.__contains__)
    assert (argv[0] if argv else None) == first


def test_the_terminal_is_told_in_base64() -> None:
    assert sequence("a b") == "\x1b]52;c;YSBi\x07"
