"""The colours. Each theme has one for every status, so that no other place in the app names a colour."""

from textual.theme import Theme

#: The names that uiOptions.theme and the command palette take.
NAMES = ("dark", "light", "high-contrast")


def _theme(name: str, *, dark: bool, colours: dict[str, str], statuses: dict[str, str]) -> Theme:
    variables = {f"status-{status}": colour for status, colour in statuses.items()}
    return Theme(name=name, dark=dark, variables=variables, **colours)  # type: ignore[arg-type]


THEMES = (
    _theme(
        "dark",
        dark=True,
        colours={
            "primary": "#5fafff", "secondary": "#87d7af", "accent": "#ffd75f", "foreground": "#d7dae0",
            "background": "#14161b", "surface": "#1b1e25", "panel": "#262a33", "success": "#5fd787",
            "warning": "#ffaf5f", "error": "#ff6b6b",
        },
        statuses={
            "starting": "#ffd75f", "active": "#5fd787", "degraded": "#ffaf5f", "reconnecting": "#5fd7d7",
            "suspended": "#d7af5f", "error": "#ff6b6b", "off": "#7a808c",
        },
    ),
    _theme(
        "light",
        dark=False,
        colours={
            "primary": "#0b5cad", "secondary": "#2a6f4e", "accent": "#8a5a00", "foreground": "#1f2430",
            "background": "#fbfbf9", "surface": "#f1f1ee", "panel": "#e4e4df", "success": "#1a7f37",
            "warning": "#9a5b00", "error": "#c11f2f",
        },
        statuses={
            "starting": "#8a6d00", "active": "#1a7f37", "degraded": "#a04b00", "reconnecting": "#006d77",
            "suspended": "#7d5a00", "error": "#c11f2f", "off": "#6e7480",
        },
    ),
    _theme(
        "high-contrast",
        dark=True,
        colours={
            "primary": "#ffffff", "secondary": "#00ffff", "accent": "#ffff00", "foreground": "#ffffff",
            "background": "#000000", "surface": "#000000", "panel": "#303030", "success": "#00ff00",
            "warning": "#ffff00", "error": "#ff8080",
        },
        statuses={
            "starting": "#ffff00", "active": "#00ff00", "degraded": "#ffb000", "reconnecting": "#00ffff",
            "suspended": "#ffff00", "error": "#ff8080", "off": "#c0c0c0",
        },
    ),
)  # fmt: skip
