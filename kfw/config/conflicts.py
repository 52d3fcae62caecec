"""What is right line by line and wrong together: missing words, ports and names used twice. Pure."""

from collections.abc import Iterator

from kfw.choices import has_own_address
from kfw.config import collector_block
from kfw.config.build import ForwardEntry, addresses, entries, is_enabled, texts
from kfw.config.durations import seconds
from kfw.config.merge import Branch
from kfw.config.tree import ConfigProblem, Place, shorten
from kfw.model import Kind, Target

_EVERYWHERE = frozenset({"0.0.0.0", "::"})
_ANY = "any"  # as if it were an address: that of everybody who has the port somewhere


def problems(completed: Branch, *, all_read: bool = True) -> list[ConfigProblem]:
    """`all_read` False: some file could not be read at all, so nothing can be called missing."""
    listed = list(entries(completed))
    found = [*_same_names(listed), *_same_ports(listed), *_delays(completed, listed)]
    if all_read:
        found += [
            *_missing(listed),
            *_missing_commands(listed),
            *_empty_profiles(completed),
            *_unclear_namespaces(completed, listed),
            *collector_block.problems_of(completed.branch("collector")),
        ]
    return found


def selecting(profile: Branch) -> bool:
    """A profile selects unless it only lists forwards; a namespace beside them is theirs."""
    selects = any(key in profile.children for key in ("labels", "excludeServices"))
    return selects or ("namespaces" in profile.children and not profile.branch("portForwards").children)


def _missing(listed: list[ForwardEntry]) -> Iterator[ConfigProblem]:
    for entry in listed:
        if problem := _not_a_service(entry):
            yield problem
        if "target" not in entry.block.children:
            yield ConfigProblem(
                entry.block.at, f"{entry.path} has no target", "write for example target: service/api"
            )
        no_port = "localPort" not in entry.block.children and not entry.block.is_bad("targetPort")
        if no_port and not has_own_address(entry.block.value("method", str) or ""):
            fix = "write localPort: and a port, or 0 for any free one"
            yield ConfigProblem(entry.block.at, f"{entry.path} has no localPort", fix)


def _missing_commands(listed: list[ForwardEntry]) -> Iterator[ConfigProblem]:
    for entry in listed:
        health = entry.block.branch("health")
        kind = health.leaf("type")
        if kind and kind.value == "exec" and not health.is_bad("command") and not texts(health, "command"):
            fix = "write for example command: [pg_isready, -p, '{port}']"
            yield ConfigProblem(kind.at, f"{entry.path}.health has type exec and no command", fix)


def _not_a_service(entry: ForwardEntry) -> ConfigProblem | None:
    target, method = entry.block.leaf("target"), entry.block.value("method", str) or ""
    if target is None or not has_own_address(method) or entry.block.is_bad("target"):
        return None
    if Target.parse(str(target.value)).kind is Kind.SERVICE:
        return None
    what = f"{entry.path}.target is {target.value}, and {method} forwards services only"
    return ConfigProblem(target.at, what, "write for example target: service/api, or another method")


def _same_names(listed: list[ForwardEntry]) -> Iterator[ConfigProblem]:
    first: dict[str, ForwardEntry] = {}
    for entry in listed:
        other = first.setdefault(entry.name, entry)
        if other is not entry:
            what = f"{entry.path} has the same name as {other.path} ({other.block.at})"
            yield ConfigProblem(
                entry.block.at,
                what,
                shorten(f"choose another, for example {entry.profile}-{entry.name}", 160),
            )


def _same_ports(listed: list[ForwardEntry]) -> Iterator[ConfigProblem]:
    """Those that may take a neighbouring port do not conflict with each other."""
    anyone: dict[tuple[int, str], ForwardEntry] = {}
    strict: dict[tuple[int, str], ForwardEntry] = {}
    for entry in listed:
        port = entry.block.value("localPort", int)
        if not port or not is_enabled(entry.block) or has_own_address(entry.block.value("method", str) or ""):
            continue
        here = addresses(entry.block)
        looked_at = (_ANY,) if _EVERYWHERE & set(here) else (*here, *_EVERYWHERE)
        is_strict = entry.block.value("onPortInUse", str) != "next"
        rivals = anyone if is_strict else strict
        if other := next((rivals[port, each] for each in looked_at if (port, each) in rivals), None):
            what = f"{entry.path} has the localPort {port} of {shorten(other.name)} ({_place(other.block, 'localPort')})"
            fix = "choose another, or write onPortInUse: next for both"
            yield ConfigProblem(_place(entry.block, "localPort"), what, fix)
        for each in (*here, _ANY):
            anyone.setdefault((port, each), entry)
            if is_strict:
                strict.setdefault((port, each), entry)


def _delays(completed: Branch, listed: list[ForwardEntry]) -> Iterator[ConfigProblem]:
    """Said once for the line that is to blame, not once for every forward that it holds for."""
    seen: set[tuple[Place, Place]] = set()
    for block in (completed.branch("defaults"), *(entry.block for entry in listed)):
        retry = block.branch("retry")
        initial, longest = retry.value("initialDelay", str), retry.value("maxDelay", str)
        if not initial or not longest or seconds(initial) <= seconds(longest):
            continue
        places = _place(retry, "initialDelay"), _place(retry, "maxDelay")
        if places not in seen:
            seen.add(places)
            here = max(places, key=lambda place: (place.layer != "embedded", place.line))
            what = f"retry.initialDelay {initial} is longer than retry.maxDelay {longest}"
            yield ConfigProblem(here, what, "make maxDelay at least as long")


def _empty_profiles(completed: Branch) -> Iterator[ConfigProblem]:
    for name, profile in completed.branch("profiles").branches():
        if "portForwards" not in profile.children and not selecting(profile):
            fix = "write namespaces to select by, or portForwards"
            yield ConfigProblem(profile.at, f"profiles.{shorten(name)} forwards nothing", fix)


def _unclear_namespaces(completed: Branch, listed: list[ForwardEntry]) -> Iterator[ConfigProblem]:
    for entry in listed:
        if entry.profile is None:
            continue
        profile = completed.branch("profiles").branch(entry.profile)
        several = profile.value("namespaces", list) or []
        if len(several) > 1 and not entry.block.value("namespace", str):
            what = f"{entry.path} has no namespace, and its profile lists {len(several)}"
            yield ConfigProblem(entry.block.at, what, f"write for example namespace: {several[0]}")


def _place(block: Branch, key: str) -> Place:
    leaf = block.leaf(key)
    return leaf.at if leaf else block.at
