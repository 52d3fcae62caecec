"""Themes, and what uiOptions say."""

from pathlib import Path

import pytest
from textual.color import Color
from textual.theme import Theme

from kfw.commands._tui_caller import caller, look
from kfw.reasons import Status
from kfw.tui.app import TuiApp
from kfw.tui.caller import Look
from kfw.tui.forward_table import ForwardTable
from kfw.tui.themes import NAMES, THEMES
from kfw.view import symbol
from tests.client.fake_daemon import row
from tests.tui.live_daemon import LiveDaemon
from tests.tui.screens import window


def luminance(colour: Color) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    parts = [part / 255 for part in (colour.r, colour.g, colour.b)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Color, other: Color) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES, ids=NAMES)
def test_what_stands_in_the_table_can_be_read_in_every_theme(theme: Theme) -> None:
    """https://www.w3.org/TR/WCAG22/#contrast-minimum: 4.5; enhanced, which high contrast promises: 7."""
    colours = theme.variables | {"foreground": str(theme.foreground)}
    background = Color.parse(str(theme.background))
    least = 7.0 if theme.name == "high-contrast" else 4.5
    contrasts = {name: contrast(background, Color.parse(colour)) for name, colour in colours.items()}
    assert {name: round(found, 1) for name, found in contrasts.items() if found < least} == {}
    assert contrast(Color.parse(theme.primary), background) >= 4.5


def test_K24_every_status_has_a_look_in_the_table() -> None:
    assert {f"table--{status}" for status in Status} <= ForwardTable.COMPONENT_CLASSES


@pytest.mark.asyncio
async def test_K24_on_the_screen_each_status_has_its_sign_and_what_needs_somebody_another_colour(
    daemon: LiveDaemon,
) -> None:
    daemon.forwards = [row("selected"), *(row(f"is-{status}", status) for status in Status)]
    async with window(size=(120, 24)) as shown:
        await shown.wait_for(*(f"is-{status}" for status in Status))
        looks = {}
        for strip in shown.app.screen._compositor.render_strips():
            text = "".join(segment.text for segment in strip)
            for status in Status:
                if f"is-{status} " in text:
                    looks[status] = next(one for one in strip if one.text.strip().endswith(f" {status}"))
        assert {status: one.text.split()[0] for status, one in looks.items()} == {
            status: symbol(status) for status in Status
        }
        needs = (Status.ACTIVE, Status.DEGRADED, Status.RECONNECTING, Status.ERROR)
        colours = {str(looks[status].style.color.triplet) for status in needs if looks[status].style}
        assert len(colours) == len(needs), colours


def configured(folder: Path, text: str) -> Look:
    (folder / "kfw.yaml").write_text(text)
    return look()


@pytest.fixture(autouse=True)
def in_a_folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("{}", Look()),
        ("{uiOptions: {theme: light}}", Look("light")),
        ("{uiOptions: {theme: high-contrast, refreshRate: 250ms}}", Look("high-contrast", 0.25)),
        ("{ui_options: {refresh_rate: 100ms, theme: dark}}", Look("dark", 0.1)),
    ],
)
def test_uiOptions_are_obeyed(options: str, found: Look, tmp_path: Path) -> None:
    assert configured(tmp_path, options) == found


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            "{uiOptions: {theme: solarized}}",
            "unknown theme 'solarized'; use dark, light or high-contrast",
        ),
        ("{uiOptions: {theme: 5", "the configuration cannot be read"),
        ("{uiOptoins: {}}", "the configuration cannot be read"),
    ],
)
def test_a_config_that_is_wrong_is_said_and_keeps_nobody_from_looking(
    options: str, said: str, tmp_path: Path
) -> None:
    found = configured(tmp_path, options)
    assert found.warning.startswith(said)
    assert found.theme == "dark"


@pytest.mark.asyncio
async def test_the_app_has_the_theme_of_the_config_says_what_is_wrong_and_takes_another(
    daemon: LiveDaemon,
) -> None:
    daemon.forwards = [row("api")]
    async with window(TuiApp(caller(), Look("light", warning="there is no [b]theme[/b]"))) as shown:
        await shown.wait_for("● active", "there is no [b]theme[/b]")
        seen = []
        for _ in NAMES:
            seen.append(shown.app.theme)
            await shown.press("T")
        assert sorted(seen) == sorted(NAMES)
        assert shown.app.theme == "light"
