"""What goes into an HTTP header, as Go's net/http has it, which kubectl is made of. Pure.

https://pkg.go.dev/golang.org/x/net/http/httpguts#ValidHeaderFieldValue, and TrimString where it is written
"""

import re

from kfw.secret import reveal

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: What no value can hold, and its name; a tab is allowed.
_FAULTS = {"\n": "a line break", "\r": "a line break", "\0": "a NUL character"}
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def encode_header(name: str, value: str) -> tuple[bytes, bytes]:
    """UTF-8, as Go sends it; of a value that was read as bytes these bytes. `value` may be a Secret."""
    return name.encode("ascii"), reveal(value).strip(" \t").encode(errors="surrogateescape")


def header_fault(value: str) -> str | None:
    """What stands in it that no header can hold: `a line break`; never the value itself."""
    found = _CONTROL.search(reveal(value).strip(" \t"))
    return _FAULTS.get(found[0], f"the control character {found[0]!a}") if found else None


def is_header_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None
