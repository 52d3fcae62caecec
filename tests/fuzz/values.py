"""Values that nobody expects, and values changed in one place: for everything that is made of maps, lists and texts."""

import json
from collections.abc import Callable, Iterator, MutableMapping, MutableSequence
from copy import deepcopy
from random import Random
from typing import Any

#: Texts that some parser, header, path or terminal takes for something else.
TEXTS = (
    *(
        "",
        " ",
        "\n",
        "\t",
        "\x00",
        "\x1b[2J",
        "\r\nX: y",
        "a\nb",
        "é",
        "\u2028",
        "\U0001f980",
        "\ufeff",
        "\x7f",
        "\x85",
    ),
    *(
        "~",
        "null",
        "true",
        "yes",
        "on",
        "off",
        "No",
        "0",
        "-1",
        "1e400",
        "0x1f",
        "1_000",
        ".inf",
        ".nan",
        "012",
        "1:30",
    ),
    *(
        "99999",
        "99999999999999999999",
        "-0",
        "2001-01-01",
        "2001-13-45T99:99:99Z",
        "=",
        "<<",
        "*",
        "&",
        "!",
        "%",
        "@",
    ),
    *(
        "[",
        "{",
        "]",
        "- ",
        "? ",
        "|",
        ">",
        "`",
        "#",
        ": ",
        "'",
        '"',
        "${HOME}",
        "$(id)",
        "../..",
        "/",
        "//",
        ".",
    ),
    *(
        "%",
        "%zz",
        "%00",
        "%s%n",
        "\\",
        "\\u0000",
        "<html>",
        "a" * 300,
        "a" * 70_000,
        "ß" * 5000,
        "..",
        "con",
        "-h",
        "--",
    ),
)
URLS = (
    *(
        "http://",
        "https://",
        "://",
        "//h",
        "http:///",
        "http://[",
        "http://[::1",
        "http://[::1]:x",
        "http://h:99999",
    ),
    *(
        "http://h:-1",
        "http://h:",
        "ftp://h",
        "file:///etc/passwd",
        "unix:///x",
        "HTTPS://H",
        " https://h ",
        "https://h\n",
    ),
    *(
        "https://h:443:443",
        "https://é.example",
        "https://h/%zz",
        "https://h?x#y",
        "https://" + "a" * 300,
        "h:6443",
        "h",
    ),
    *(
        "https://h/\x00",
        "https://h h",
        "https://@",
        "https://:@h",
        "https://h\\x",
        "javascript:1",
        "https://.",
        "https://h/../",
    ),
    *(
        "https://[fe80::1%eth0]",
        "https://127.1",
        "https://0",
        "http://user@",
        "https://xn--",
        "https://h:0",
        "https://h:٣",
    ),
)
NUMBERS = (0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**30, 1.5, -0.0, 1e308, 70000)

Path = tuple[Any, ...]
Keep = Callable[[Path, Any], bool]


def text(random: Random) -> str:
    kind = random.randrange(8)
    if kind < 5:
        return random.choice(TEXTS)
    if kind == 5:
        return random.choice(URLS)
    if kind == 6:
        return "".join(
            chr(random.choice((random.randrange(32, 127), random.randrange(1, 0xD7FF))))
            for _ in range(random.randrange(1, 20))
        )
    return random.choice(TEXTS) + random.choice(TEXTS)


def value(random: Random, depth: int = 0) -> Any:
    kind = random.randrange(10)
    if kind < 4:
        return text(random)
    if kind < 6:
        return random.choice(NUMBERS)
    if kind == 6:
        return random.choice((None, True, False))
    if kind == 7 or depth > 3:
        return random.choice(([], {}, [[]], [None], {"": ""}, [""], {"a": None}))
    if kind == 8:
        return [value(random, depth + 1) for _ in range(random.randrange(4))]
    return {text(random): value(random, depth + 1) for _ in range(random.randrange(4))}


def deep(random: Random, depth: int) -> Any:
    """Nested that often; not to be walked by a function that calls itself."""
    made: Any = value(random)
    for _ in range(depth):
        made = {"a": made} if random.random() < 0.5 else [made]
    return made


def places(of: Any, path: Path = ()) -> Iterator[tuple[Path, Any, Any]]:
    """Each value in it: its path, what holds it, its key there."""
    items: Any = ()
    if isinstance(of, MutableMapping):
        items = list(of.items())
    elif isinstance(of, MutableSequence):
        items = list(enumerate(of))
    for key, inner in items:
        yield (*path, key), of, key
        yield from places(inner, (*path, key))


def mutate(random: Random, of: Any, times: int, keep: Keep = lambda path, value: False) -> Any:
    """A copy with that many changes, each of them in one place. What `keep` says stays as it is, where it is."""
    made = deepcopy(of)
    for _ in range(times):
        free = [(holder, key) for path, holder, key in places(made) if not _kept(path, holder[key], keep)]
        if not free:
            return made
        _change(random, *random.choice(free))
    return made


def _kept(path: Path, value: Any, keep: Keep) -> bool:
    return keep(path, value) or any(
        keep((*path, *inner), holder[key]) for inner, holder, key in places(value)
    )


def _change(random: Random, holder: Any, key: Any) -> None:
    old = holder[key]
    match random.randrange(10):
        case 0:
            del holder[key]
        case 1:
            holder[key] = [old]
        case 2:
            holder[key] = {text(random): old}
        case 3 if isinstance(holder, MutableMapping):
            holder[random.choice((text(random), f"{key} ", str(key).upper(), f"{key}s"))] = holder.pop(key)
        case 4 if isinstance(holder, MutableSequence):
            holder[key:key] = [deepcopy(old) for _ in range(random.choice((1, 2, 50)))]
        case 5:
            holder[key] = (
                str(old)
                if not isinstance(old, str)
                else random.choice((old + text(random), text(random) + old))
            )
        case 6 if isinstance(old, str):
            holder[key] = random.choice((0, 1, len(old), True, None, [*old[:5]], {old: old}))
        case 7:
            holder[key] = deep(random, random.choice((5, 50)))
        case _:
            holder[key] = value(random)


def bytes_changed(random: Random, data: bytes, times: int, alphabet: bytes = b"") -> bytes:
    """Bytes replaced, put in, taken out, repeated. `alphabet`: those that may be put in; empty is any."""
    made = bytearray(data)
    for _ in range(times):
        at = random.randrange(len(made) + 1)
        new = bytes([random.choice(alphabet) if alphabet else random.randrange(256)]) * random.choice(
            (1, 1, 1, 3, 40)
        )
        match random.randrange(4):
            case 0:
                made[at : at + len(new)] = new
            case 1:
                made[at:at] = new
            case 2:
                del made[at : at + random.choice((1, 1, 2, 10, 100))]
            case _:
                made[at:at] = made[at : at + random.choice((1, 10, 100, 1000))]
    return bytes(made)


def json_bytes(of: Any) -> bytes:
    """Also with what is not text in UTF-8, as others may send it."""
    return json.dumps(of, ensure_ascii=False).encode(errors="surrogatepass")


def deep_json(random: Random, depth: int) -> bytes:
    opening, closing = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")))
    return opening * depth + b"1" + closing * random.choice((depth, depth, 0, depth - 1))
