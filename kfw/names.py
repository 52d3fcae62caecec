"""NAME on a command line: a forward, a profile, or a pattern of either such as `shop-*`. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

#: What makes a word a pattern: none of these can be in the name of a forward.
_WILD = frozenset("*?[")
#: Where a capital begins a word: WebUI, HTTPServer.
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
#: Characters of a name, and of what one is made from.
_LONGEST_NAME, _LONGEST_TEXT = 63, 200
#: Names that are shown of many.
SHOWN = 5


class Selection(NamedTuple):
    """`names`: forwards that were meant one by one; `profiles`: those that were named whole. In the config's order."""

    names: tuple[str, ...]
    profiles: tuple[str, ...]
    #: Words that nothing is named after.
    unknown: tuple[str, ...]

    def has(self, name: str, profile: str | None) -> bool:
        return name in self.names or profile in self.profiles


def select(words: Iterable[str], profile_of: Mapping[str, str | None]) -> Selection:
    """`profile_of`: each forward that there is, with its profile. A forward goes before a profile of the same name."""
    words = list(dict.fromkeys(words))
    profiles = dict.fromkeys(profile for profile in profile_of.values() if profile)
    names, whole, unknown = set[str](), set[str](), []
    for word in words:
        found = _matching(word, profile_of)
        of_profiles = [] if found else _matching(word, profiles)
        if not (found or of_profiles):
            unknown.append(word)
        names |= set(found)
        whole |= set(of_profiles)
    return Selection(
        tuple(name for name in profile_of if name in names),
        tuple(profile for profile in profiles if profile in whole),
        tuple(unknown),
    )


def probably(word: str, known: Iterable[str]) -> str:
    """`did you mean api? `, or "" where nothing is alike."""
    from difflib import get_close_matches  # for who mistypes only

    alike = get_close_matches(word, list(known), n=1)
    return f"did you mean {alike[0]}? " if alike else ""


def few(names: Iterable[str]) -> str:
    """`api, db`, or of many their count and the first: `1600 (api, db, ...)`."""
    names = list(names)
    if len(names) <= 2 * SHOWN:
        return ", ".join(names)
    return f"{len(names)} ({', '.join(names[:SHOWN])}, ...)"


def _matching(word: str, known: Iterable[str]) -> list[str]:
    if not _WILD & set(word):
        return [word] if word in known else []
    from fnmatch import fnmatchcase  # for who writes a pattern only

    return [name for name in known if fnmatchcase(name, word)]


def usable_name(text: str) -> str:
    """What a forward may be called after `text`: `WebUI` is web-ui, `catio_api` is catio-api; "" if nothing is left."""
    apart = _HUMPS.sub("-", text[:_LONGEST_TEXT])
    return re.sub(r"[^a-z0-9]+", "-", apart.lower()).strip("-")[:_LONGEST_NAME].strip("-")
