"""Texts with places for where a forward is: `postgres://{host}:{port}/shop`. Pure.

Braces around anything but one word of lower-case letters are text, so that JSON needs no quoting.
"""

import re
from collections.abc import Mapping

#: What may stand in braces.
PLACES = ("host", "port", "url", "name")
_WORD = re.compile(r"\{([a-z]+)\}")


def unknown_place(text: str) -> str:
    """The first word in braces that is not one of PLACES; "" if there is none."""
    return next((word for word in _WORD.findall(text) if word not in PLACES), "")


def filled(text: str, values: Mapping[str, str]) -> str:
    """`values`: one for each of PLACES."""
    return _WORD.sub(lambda place: values.get(place[1], place[0]), text)
