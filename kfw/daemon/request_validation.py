"""Whether a forward that came over the control socket, or from the disk, is one that a config could ask for.

What `kfw up` sends has been through the config's schema; other programs may send anything. Pure.
"""

import math
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from kfw.choices import (
    HEADER_LINE,
    HEALTH_TYPES,
    HTTP_STATUS,
    LABEL_SELECTOR,
    METHOD_CHOICES,
    ON_PORT_IN_USE,
    READINESS,
    TYPES,
    UI_CHOICES,
)
from kfw.errors import UsageError
from kfw.model import Forward, Health, Kind, Retry, SelectingProfile
from kfw.protocol import Source, UpRequest

#: Characters of a word in an error.
_SHOWN = 100
#: Characters of a text; $KUBECONFIG may name many files.
_LONGEST = 65536
#: Seconds: as in the config, durations.LONGEST.
_LONGEST_TIME = 366 * 86400.0
_FORWARDS, _FILES, _ADDRESSES, _WORDS = 5000, 64, 16, 1000

#: As in the config: blocks.NAME_PATTERN, and schema's namespace and resource.
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_RESOURCE = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_SELECTOR = re.compile(rf"(?=.{{1,1000}}$){LABEL_SELECTOR}")
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def check(request: UpRequest) -> None:
    """Raises UsageError with the first thing that is wrong."""
    if len(request.forwards) > _FORWARDS:
        raise UsageError(
            f"{len(request.forwards)} forwards are too many at once", f"send at most {_FORWARDS}"
        )
    names = [forward.name for forward in request.forwards]
    if twice := next((name for name in names if names.count(name) > 1), None) if _has_twins(names) else None:
        raise UsageError(f"two forwards are named {shown(twice)}", "names are unique")
    if len(request.names) + len(request.profiles) > 2 * _FORWARDS or len(request.files) > 2 * _FILES:
        raise UsageError("the request has too many names, profiles or files")
    faults = (
        *map(fault, request.forwards),
        *map(fault_of_profile, request.selections),
        *_of_source(request.source),
    )
    if why := next(filter(None, faults), ""):
        raise UsageError(why)
    check_environ(request.environ)


def check_source(source: Source) -> None:
    """Raises UsageError."""
    if why := next(_of_source(source), ""):
        raise UsageError(why)


def check_environ(environ: Mapping[str, str] | None) -> None:
    """Raises UsageError for variables that no process could have. Their values are secrets, and not quoted."""
    for name, value in (environ or {}).items():
        if not name or "=" in name or "\0" in name:
            raise UsageError(f"{shown(name)} is not the name of a variable")
        if "\0" in value:
            raise UsageError(f"the variable {shown(name)} holds a NUL")


def fault(forward: Forward) -> str:
    """A sentence about the first thing that is wrong with it; "" if nothing is."""
    wrong = next(_of_forward(forward), "")
    return f"forward {shown(forward.name)}: {wrong}" if wrong else ""


def fault_of_profile(profile: SelectingProfile) -> str:
    """As `fault`, of a profile that selects."""
    wrong = next(_of_profile(profile), "")
    return f"profile {shown(profile.profile)}: {wrong}" if wrong else ""


def shown(text: str) -> str:
    """In quotes, short, and without control characters."""
    return ascii(shortened(text))


def shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _has_twins(names: list[str]) -> bool:
    return len(set(names)) < len(names)


def _of_forward(forward: Forward) -> Iterator[str]:
    if not _is_word(forward.name, 253) or "/" in forward.name:
        yield "this is not a valid name"
    if not (_SELECTOR if forward.target.kind is Kind.PODS else _RESOURCE).fullmatch(forward.target.name):
        yield f"there cannot be a target named {shown(forward.target.name)}"
    yield from _of_ports(forward)
    if not _NAMESPACE.fullmatch(forward.namespace) and (forward.namespace or _needs_namespace(forward)):
        yield f"{shown(forward.namespace)} is not the name of a namespace"
    if forward.context and not _is_word(forward.context, 1024):
        yield f"{shown(forward.context)} is not the name of a context"
    yield from _of_choices(forward)
    yield from _of_addresses(forward.addresses)
    yield from _of_files(forward.kubeconfig, "kubeconfig")
    yield from _of_files(forward.proto_files, "proto file")
    for text in (forward.api_path, forward.swagger_path, forward.source, forward.profile or ""):
        if text and not _is_text(text):
            yield f"{shown(text)} is too long, or holds a NUL"
    yield from _of_times(forward.hold, forward.retry, forward.health)


def _of_profile(profile: SelectingProfile) -> Iterator[str]:
    if wrong := fault(profile.template):
        yield wrong
    if profile.template.name != profile.profile:
        yield "its forwards are of another profile"
    for namespace in profile.namespaces:
        if not _NAMESPACE.fullmatch(namespace):
            yield f"{shown(namespace)} is not the name of a namespace"
    for text in (profile.labels, *profile.exclude):
        if text and not _is_word(text, _LONGEST):
            yield f"{shown(text)} is not a selector or a pattern"
    if max(len(profile.namespaces), len(profile.exclude)) > _WORDS:
        yield f"it has a list of more than {_WORDS}"


def _needs_namespace(forward: Forward) -> bool:
    """One that is not started has no context yet, whose namespace it may have."""
    return forward.enabled and not forward.namespace_is_default


def _of_ports(forward: Forward) -> Iterator[str]:
    for key, number in (("local_port", forward.local_port), ("ui_port", forward.ui_port)):
        if not 0 <= number <= 65535:
            yield f"{key} is {number}, a port is from 0 to 65535"
    match forward.target_port:
        case int() as number if not 1 <= number <= 65535:
            yield f"target_port is {number}, a port is from 1 to 65535"
        case str() as name if not _PORT_NAME.fullmatch(name):
            yield f"target_port {shown(name)} is not the name of a port"


def _of_choices(forward: Forward) -> Iterator[str]:
    for key, value, known in (
        ("method", forward.method, METHOD_CHOICES),
        ("type", forward.type, TYPES),
        ("ui", forward.ui, UI_CHOICES),
        ("health.type", forward.health.type, HEALTH_TYPES),
        ("readiness", forward.readiness, READINESS),
        ("on_port_in_use", forward.on_port_in_use, ON_PORT_IN_USE),
    ):
        if value not in known:
            yield f"{key} is {shown(value)}, known are {', '.join(known)}"


def _of_addresses(addresses: tuple[str, ...]) -> Iterator[str]:
    if not 1 <= len(addresses) <= _ADDRESSES:
        yield f"it has {len(addresses)} addresses, send from 1 to {_ADDRESSES}"
    for address in addresses:
        try:
            _ = address == "localhost" or ip_address(address)
        except ValueError:
            yield f"{shown(address)} is not an IP address"


def _of_files(files: tuple[str, ...], what: str) -> Iterator[str]:
    if len(files) > _FILES:
        yield f"it has {len(files)} {what}s, send at most {_FILES}"
    for file in files:
        if not _is_text(file):
            yield f"{shown(file)} is not the path of a {what}"


def _of_times(hold: float, retry: Retry, health: Health) -> Iterator[str]:
    for key, value, least in (
        ("hold", hold, 0.0),
        ("retry.initial_delay", retry.initial_delay, 0.01),
        ("retry.max_delay", retry.max_delay, 0.01),
        ("health.interval", health.interval, 0.1),
        ("health.timeout", health.timeout, 0.01),
    ):
        if not least <= value <= _LONGEST_TIME:  # a NaN is neither
            yield f"{key} is {value:g}, it takes seconds from {least:g} on"
    if not (retry.multiplier > 1 and math.isfinite(retry.multiplier)):
        yield f"retry.multiplier is {retry.multiplier:g}, it takes a number above 1"
    if not 0 <= retry.max_attempts <= 10**6:
        yield f"retry.max_attempts is {retry.max_attempts}, it takes 0 to 1000000"
    if not 1 <= health.failures <= 10**6:
        yield f"health.failures is {health.failures}, it takes 1 to 1000000"
    yield from _of_health(health)


def _of_health(health: Health) -> Iterator[str]:
    if not (health.path.startswith("/") and _is_word(health.path, _LONGEST) and " " not in health.path):
        yield f"health.path {shown(health.path)} is not a path that begins with /"
    for status in health.statuses:
        if not re.fullmatch(HTTP_STATUS, status):
            yield f"health.statuses has {shown(status)}, which is not a status such as 204 or 2xx"
    if not all(re.fullmatch(HEADER_LINE, line) and _is_word(line, _LONGEST) for line in health.headers):
        yield "health.headers has a line that is not a header such as 'Host: shop.example'"
    if health.service and not _is_word(health.service, _LONGEST):
        yield f"health.service {shown(health.service)} is not the name of a service"
    if not all(_is_text(word) for word in health.command):
        yield "health.command has a word that is empty, too long, or holds a NUL"
    if health.type == "exec" and not health.command:
        yield "health.command is empty, it takes a program and its arguments"
    if max(map(len, (health.statuses, health.headers, health.command))) > _WORDS:
        yield f"health has a list of more than {_WORDS}"


def _of_source(source: Source) -> Iterator[str]:
    if not _is_text(source.key):
        yield f"source.key {shown(source.key)} is empty, too long, or holds a NUL"
    if not (source.cwd.startswith("/") and _is_text(source.cwd)):
        yield f"source.cwd {shown(source.cwd)} is not an absolute path"
    if len(source.config_files) > _FILES or len(source.flags) > _FILES:
        yield f"source has more than {_FILES} config files or flags"
    for text in (
        source.project,
        source.config_url,
        *source.config_files,
        *source.flags,
        *source.flags.values(),
        source.kubeconfig or "",
    ):
        if text and not _is_text(text):
            yield f"{shown(text)} in source is too long, or holds a NUL"


def _is_word(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isprintable() and text == text.strip()


def _is_text(text: str) -> bool:
    """What a path may be: directories with a newline in their name do exist."""
    return 0 < len(text) <= _LONGEST and "\0" not in text
