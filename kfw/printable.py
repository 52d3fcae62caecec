"""Text from outside (pods, plugins, other programs, files) as a terminal may see it. Pure, and on the fast path."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re

#: What can move the cursor, change what is on the screen, or make text read otherwise than it is: control characters of
#: both kinds (ECMA-48), line separators, marks of direction (Unicode TR 9, "Trojan Source"), and halves of pairs, which
#: cannot even be written. Newline and tab are left.
_HARMFUL = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
#: The colours that kfw itself uses, as they stand between ESC [ and m.
_COLOURS = frozenset(("0", "2", *map(str, range(30, 38)), *map(str, range(90, 98))))


def printable(text: str, *, colours: bool = False) -> str:
    """Escaped as Python and JSON would write it: `\\x1b[2J`, `\\u202e`. `colours`: kfw's own stay."""
    if text.isprintable():
        return text
    if colours and "\x1b" in text:
        before, *pieces = text.split("\x1b[")
        return "".join([printable(before), *map(_after_escape, pieces)])
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    import re  # not before it is needed: it takes as long as half of Python's own start

    return re.sub(_HARMFUL, _escaped, text)


def _after_escape(text: str) -> str:
    code, end, rest = text.partition("m")
    if end and code in _COLOURS:
        return f"\x1b[{code}m{printable(rest)}"
    return printable(f"\x1b[{text}")


#: kfw's own symbols where the terminal's encoding has no others; each is one column, as before.
_ASCII = str.maketrans("○●▲◐‖✗✓·…→", "o*!@=xv-~>")


def in_ascii(text: str) -> str:
    """With kfw's own symbols readable in ASCII; what others have written stays."""
    return text.translate(_ASCII)


def encodable(text: str, encoding: str | None) -> str:
    """As a stream with this encoding can take it: what it has not becomes ASCII, kfw's own symbols readably."""
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return in_ascii(text).encode(encoding or "utf-8", "backslashreplace").decode(encoding or "utf-8")
    return text


def _escaped(match: re.Match[str]) -> str:
    """The longer form is one of JSON's as well: what is below it JSON has escaped by itself."""
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x20 else f"\\u{code:04x}"
