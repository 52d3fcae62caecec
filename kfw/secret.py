"""What must never be shown: a type for it, and the one place that takes it out of words. Pure.

A Secret is kept out of sight by what it is; `redact` is for text that others wrote (an exception's words, a plugin's
stderr, a URL), where a secret may be quoted. It knows the values of all Secrets that exist, and the usual shapes.
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from weakref import WeakValueDictionary

MASK = "***"

#: Shorter values are not looked for in foreign text: they would hide half of every sentence.
_SHORTEST = 4

_SECRET_WORDS = (
    "token|secret|passw(?:or)?d|passphrase|api[_-]?key|access[_-]?key|private[_-]?key|credential|signature"
)
_SECRET_NAME = rf"(?:[\w.-]*(?:{_SECRET_WORDS})[\w.-]*|sig|pwd|auth|code)"
_IS_SECRET_NAME = re.compile(rf"(?:--?)?{_SECRET_NAME}", re.IGNORECASE)


def _shape(pattern: str, flags: re.RegexFlag = re.IGNORECASE) -> re.Pattern[str]:
    return re.compile(pattern, flags)


#: The shapes of secrets in text that others wrote; what `keep` matches stays.
_SHAPES = (
    _shape(
        r"(?P<keep>)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
    ),
    _shape(r"(?P<keep>\b[a-z][a-z0-9+.-]*://)[^\s/?#@'\"]*(?=@)"),
    _shape(rf"(?P<keep>[?&;]{_SECRET_NAME}=)[^\s&;#'\"]+"),
    _shape(rf"(?P<keep>--?{_SECRET_NAME}(?:=|\s+))(?!-)[^\s'\",;]+"),
    _shape(r"(?P<keep>\b(?:Bearer|Basic)\s+)(?!\*)[\w.~+/=-]{6,}"),
    _shape(
        rf"(?P<keep>\b{_SECRET_NAME}['\"]?\s*[=:]\s*)(?P<quote>['\"]?)(?!\*\*\*)[^\s'\",;}}]{{6,}}(?P=quote)"
    ),
    _shape(r"(?P<keep>)\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"),
)

#: All that exist, by identity: equal ones live and die on their own.
_known: WeakValueDictionary[int, "Secret"] = WeakValueDictionary()


class Secret(str):
    """A text whose characters, for everybody who does not call `reveal`, are three stars: str, repr, format, join,
    JSON and logs show those. It equals another Secret, or a str, of the same value."""

    _value: str

    def __new__(cls, value: str = "") -> "Secret":
        made = super().__new__(cls, MASK if value else "")
        made._value = value
        if len(value) >= _SHORTEST:
            _known[id(made)] = made
        return made

    def reveal(self) -> str:
        """The value: only where it goes onto the wire, into a child, or into a file made for one."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Secret):
            return self._value == other._value
        return isinstance(other, str) and self._value == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._value)

    def __getnewargs__(self) -> tuple[str]:
        raise TypeError("a secret is not copied into a pickle")

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Secret":
        return self


NO_SECRET = Secret()


def reveal(value: str) -> str:
    """The value of what may be a Secret or a plain text."""
    return value.reveal() if isinstance(value, Secret) else value


def redact(text: str) -> str:
    """`text` with each secret that it holds as three stars. Cheap for a sentence, not for a megabyte: bound it before."""
    for value in _values():
        if value in text:
            text = text.replace(value, MASK)
    for shape in _SHAPES:
        text = shape.sub(rf"\g<keep>{MASK}", text)
    return text


def is_secret_name(name: str) -> bool:
    """A variable, option or key of this name holds a secret: `--oidc-client-secret`, `AWS_SECRET_ACCESS_KEY`, `token`."""
    return _IS_SECRET_NAME.fullmatch(name) is not None


def _values() -> Iterator[str]:
    """Longest first, so that no part of one stays; in the ways in which a repr, a URL or JSON write them."""
    values = {secret.reveal() for secret in list(_known.values())}
    spelled = {form for value in values for form in _spellings(value)}
    yield from sorted(spelled, key=len, reverse=True)


def _spellings(value: str) -> Iterator[str]:
    yield value
    stripped = value.strip()
    if len(stripped) >= _SHORTEST:
        yield stripped
    yield repr(value)[1:-1]
    yield repr(value.encode(errors="surrogateescape"))[2:-1]
    yield quote(value, safe="", errors="replace")
    yield b64encode(value.encode(errors="surrogateescape")).decode()
