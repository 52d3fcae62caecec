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
#: A shorter value is a word, perhaps: it is taken out where it stands alone, not out of the middle of another word.
_NO_WORD = 8
#: Characters of the beginning of a value that are looked for where a text was cut.
_BEGINNING = 8

_SECRET_WORDS = (
    "token|secret|passw(?:or)?d|passphrase|api[_-]?key|access[_-]?key|private[_-]?key|credential|signature"
)
_MARKS = "token|secret|passw|passphrase|key|credential|signature|sig|pwd"
#: Names are looked for at their first character only and taken whole (`++`): a text of nothing but `token-token-...` would
#: else take a time that grows with the third power of its length.
_BEGINS = r"(?<![\w.-])"
_HAS_SECRET_WORD = rf"(?=[\w.-]*?(?:{_SECRET_WORDS}))"
_SECRET_NAME = rf"(?:{_HAS_SECRET_WORD}[\w.-]++|(?:sig|pwd|auth|code)(?![\w.-]))"
#: NOPASSWD is a word of sudoers(5), and what follows it a program.
_NO_SECRET = r"(?!nopasswd\b)"
#: In prose a code is what a person shall type in ("then enter the code: ABCD-EFGH"), or an exit code.
_SECRET_IN_PROSE = rf"{_NO_SECRET}(?:{_HAS_SECRET_WORD}|(?=(?:[\w.-]*[.-])?(?:sig|pwd)(?![\w.-])))[\w.-]++"
Marks = tuple[tuple[str, ...], ...]
_IS_SECRET_NAME = re.compile(rf"(?:--?)?{_SECRET_NAME}", re.IGNORECASE)


def _shape(marks: str, pattern: str, flags: re.RegexFlag = re.IGNORECASE) -> tuple[Marks, re.Pattern[str]]:
    return tuple(tuple(mark.split("|")) for mark in marks.split(" ")), re.compile(pattern, flags)


#: The shapes of secrets in text that others wrote; what `keep` matches stays. First what a text must hold to be looked at
#: at all, in lower case: one of each group. Most sentences hold none, and a sentence is redacted often.
_SHAPES = (
    _shape(
        "-----begin",
        r"(?P<keep>)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        re.DOTALL,
    ),
    _shape("?|&|; =", rf"(?P<keep>[?&;]{_SECRET_NAME}=)[^\s&;#'\"]+"),
    _shape(f"- {_MARKS}|auth|code", rf"(?P<keep>{_BEGINS}--?{_SECRET_NAME}(?:=|\s+))(?!-)[^\s'\",;]+"),
    _shape("bearer|basic", r"(?P<keep>\b(?:Bearer|Basic)\s+)(?!\*)[\w.~+/=-]{6,}"),
    _shape(
        f"=|: {_MARKS}",
        rf"(?P<keep>{_BEGINS}{_SECRET_IN_PROSE}['\"]?\s*[=:]\s*)(?P<quote>['\"]?)(?!\*\*\*)[^\s'\",;}}]{{6,}}(?P=quote)",
    ),
    _shape("eyj", r"(?P<keep>)(?<![\w-])eyJ[\w-]{8,}+\.[\w-]+(?:\.[\w-]*)?"),
)

#: The user and password of a URL, in two steps, so that `a://a://a://` takes no time that grows with the square of its
#: length: what stands before an @, and in that what the URL's scheme is followed by. A password may hold a slash, although
#: it should not; what looks like host:port/path is none.
_BEFORE_AN_AT = re.compile(r"(?<![^\s@'\"])[^\s@'\"]++(?=@)")
_USER_OF_A_URL = re.compile(
    r"(?P<keep>(?<![a-z0-9+.-])[a-z0-9+.-]++://)(?:[^/?#:]*+:(?!\d+[/?#]).*|[^/?#]*+)\Z", re.IGNORECASE
)

#: What each of them has at least one of.
_MAY_HOLD_A_SHAPE = re.compile(r"[=:@]|-\w|bearer|basic|eyj|-----", re.IGNORECASE)

#: All that exist, by identity: equal ones live and die on their own.
_known: WeakValueDictionary[int, "Secret"] = WeakValueDictionary()
#: How many were ever made; with the number of those that exist it says whether `_spelled` still holds.
_counted = 0
_spelled: tuple[tuple[int, int], tuple[str, ...]] = ((0, 0), ())


class Secret(str):
    """A text whose characters, for everybody who does not call `reveal`, are three stars: str, repr, format, join,
    JSON and logs show those. It equals another Secret, or a str, of the same value."""

    _value: str

    def __new__(cls, value: str = "") -> "Secret":
        value = value.reveal() if isinstance(value, Secret) else value
        made = super().__new__(cls, MASK if value else "")
        made._value = value
        if len(value) >= _SHORTEST:
            global _counted
            _counted += 1
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


class Shown(str):
    """Words that a person must be able to read as they are: a sign-in URL and its code. See `show`."""


def show(text: str) -> Shown:
    """`text` without the secrets that exist; the shapes of others are not looked for, and `redact` leaves it as it is."""
    return Shown(_without_known(text))


def redact(text: str) -> str:
    """`text` with each secret that it holds as three stars. Cheap for a sentence, not for a megabyte: bound it before."""
    if isinstance(text, Shown):
        return str(text)
    if not text:
        return ""
    text = _without_known(text)
    if not _MAY_HOLD_A_SHAPE.search(text):
        return text
    lower = text.lower()
    if "://" in text:
        text = _BEFORE_AN_AT.sub(lambda part: _without(_USER_OF_A_URL, part[0]), text)
    for marks, shape in _SHAPES:
        if _holds(lower, marks):
            text = _without(shape, text)
    return text


def _holds(lower: str, marks: Marks) -> bool:
    """One of each group. Without generators, which take as long as all the rest."""
    for group in marks:
        for mark in group:
            if mark in lower:
                break
        else:
            return False
    return True


def _without(shape: re.Pattern[str], text: str) -> str:
    return shape.sub(rf"\g<keep>{MASK}", text)


def _without_known(text: str) -> str:
    for value in _spelled_values():
        if value not in text:
            continue
        if len(value) >= _NO_WORD:
            text = text.replace(value, MASK)
        else:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", MASK, text)
    return _without_a_beginning(text)


def _without_a_beginning(text: str) -> str:
    """Texts are bounded before they come here: the last of one may be the greater part of a secret."""
    last = text[-_BEGINNING:]
    worth = len(last) == _BEGINNING and not last.endswith(
        "://"
    )  # "must begin with https://" is not a secret URL
    for value in _spelled_values() if worth else ():
        at = value.find(last)
        while at >= 0:
            length = at + _BEGINNING
            if text.endswith(value[:length]):
                return text[:-length] + MASK
            at = value.find(last, at + 1)
    return text


def is_secret_name(name: str) -> bool:
    """A variable, option or key of this name holds a secret: `--oidc-client-secret`, `AWS_SECRET_ACCESS_KEY`, `token`."""
    return _IS_SECRET_NAME.fullmatch(name) is not None


def _spelled_values() -> tuple[str, ...]:
    """Longest first, so that no part of one stays; in the ways in which a repr, a URL or JSON write them."""
    global _spelled
    state = _counted, len(_known)
    if _spelled[0] != state:
        values = {secret.reveal() for secret in list(_known.values())}
        values |= {what for value in values if (what := _credential(value))}
        spelled = {form for value in values for form in _spellings(value)}
        _spelled = state, tuple(sorted(spelled, key=len, reverse=True))
    return _spelled[1]


def _credential(header: str) -> str:
    """Of an Authorization header what comes after its scheme: a server may quote the token alone."""
    scheme, _, what = header.partition(" ")
    return what if scheme in ("Bearer", "Basic") and len(what) >= _SHORTEST else ""


def _spellings(value: str) -> Iterator[str]:
    yield value
    stripped = value.strip()
    if len(stripped) >= _SHORTEST:
        yield stripped
    yield repr(value)[1:-1]
    yield repr(value.encode(errors="surrogateescape"))[2:-1]
    yield quote(value, safe="", errors="replace")
    yield b64encode(value.encode(errors="surrogateescape")).decode()
