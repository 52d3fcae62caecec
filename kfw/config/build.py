"""From merged layers to Forwards: every entry completed by what its profile, the defaults and the flags say. Pure."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from kfw.choices import FOLLOW, has_own_address, usual_local_port
from kfw.config.durations import seconds
from kfw.config.merge import Branch, Leaf, Tree, merge
from kfw.config.schema import COMMON
from kfw.config.tree import shorten
from kfw.model import Forward, Health, Retry, SelectingProfile, Target

_COMMON = frozenset(COMMON)
_BOTH_LOOPBACKS = ("127.0.0.1", "::1")


class ForwardEntry(NamedTuple):
    """A forward as the config says it. `block.at` is where its name stands, in the last file that has it. The name is one
    that cannot be used where that is among the problems."""

    name: str
    profile: str | None
    path: str
    block: Branch


def complete(merged: Branch, flags: Branch) -> Branch:
    """Every forward with all that holds for it: the defaults, then its profile, then its own words, then flags."""
    defaults = merge(merged.branch("defaults"), flags)
    own = merged.branch("portForwards")
    profiles = merged.branch("profiles")
    return Branch(
        merged.at,
        merged.children
        | {"defaults": defaults, "portForwards": _complete_all(own, defaults, flags)}
        | {
            "profiles": Branch(profiles.at, {k: _profile(v, defaults, flags) for k, v in profiles.branches()})
        },
    )


def entries(completed: Branch) -> Iterator[ForwardEntry]:
    for name, block in completed.branch("portForwards").branches():
        yield ForwardEntry(name, None, f"portForwards.{shorten(name)}", block)
    for profile, its in completed.branch("profiles").branches():
        for name, block in its.branch("portForwards").branches():
            path = f"profiles.{shorten(profile)}.portForwards.{shorten(name)}"
            yield ForwardEntry(name, profile, path, block)


def _profile(profile: Branch, defaults: Branch, flags: Branch) -> Branch:
    shared = merge(defaults, _only_namespace(profile), profile.only(_COMMON))
    named = _complete_all(profile.branch("portForwards"), shared, flags)
    switch = profile.leaf("enabled")
    if switch and switch.value is False:
        off = {name: _switched_off(each, switch) for name, each in named.branches()}
        named = Branch(named.at, {**off})
    return Branch(profile.at, profile.children | ({"portForwards": named} if named.children else {}))


def _switched_off(block: Branch, switch: Leaf) -> Branch:
    """What is disabled by itself stays so when its profile is switched on, so it keeps its own word."""
    return block if not is_enabled(block) else Branch(block.at, block.children | {"enabled": switch})


def is_off_by_profile(entry: ForwardEntry, completed: Branch) -> bool:
    """Disabled, but only because its profile is."""
    switch = completed.branch("profiles").branch(entry.profile or "").leaf("enabled")
    return switch is not None and entry.block.leaf("enabled") is switch and switch.value is False


def _only_namespace(profile: Branch) -> Branch:
    """The one namespace that a profile lists is also that of its forwards."""
    leaf, listed = profile.leaf("namespaces"), profile.value("namespaces", list)
    if leaf is None or listed is None or len(listed) != 1:
        return Branch(profile.at)
    return Branch(profile.at, {"namespace": Leaf(listed[0], leaf.at)})


def _complete_all(named: Branch, shared: Branch, flags: Branch) -> Branch:
    return Branch(named.at, {name: _one(own, shared, flags) for name, own in named.branches()})


def _one(own: Branch, shared: Branch, flags: Branch) -> Branch:
    """Its own words first, in their order; the rest below."""
    full = _with_local_port(merge(shared, own, flags)).children
    return Branch(own.at, {key: full[key] for key in own.children} | full)


def _with_local_port(block: Branch) -> Branch:
    leaf, number = block.leaf("targetPort"), block.value("targetPort", int)
    if "localPort" in block.children or leaf is None or number is None:
        return block
    return Branch(block.at, block.children | {"localPort": Leaf(usual_local_port(number), leaf.at)})


def forward(entry: ForwardEntry, sources: Mapping[str, str]) -> Forward:
    """Of an entry without problems. `sources`: the files' absolute paths by the names they have in messages."""
    block = entry.block
    context = block.value("context", str)
    follows = context == FOLLOW
    method = block.value("method", str) or "auto"
    return Forward(
        name=entry.name,
        target=Target.parse(block.value("target", str) or ""),
        target_port=block.value("targetPort", int) or block.value("targetPort", str),
        local_port=0 if has_own_address(method) else block.value("localPort", int) or 0,
        namespace=block.value("namespace", str) or "",
        context="" if follows else context or "",
        kubeconfig=texts(block, "kubeconfig"),
        context_is_default=context is None,
        context_follows=follows,
        addresses=addresses(block),
        method=method,
        type=block.value("type", str) or "other",
        api_path=block.value("apiPath", str) or "",
        swagger_path=block.value("swaggerPath", str) or "",
        ui=block.value("ui", str) or Forward.ui,
        ui_port=block.value("uiPort", int) or 0,
        proto_files=texts(block, "protoFiles"),
        readiness=block.value("readiness", str) or Forward.readiness,
        hold=_seconds(block, "hold"),
        hold_refused=_seconds(block, "holdRefused"),
        on_port_in_use=block.value("onPortInUse", str) or "error",
        retry=_retry(block.branch("retry")),
        health=_health(block.branch("health")),
        profile=entry.profile,
        enabled=is_enabled(block),
        source=sources.get(block.at.file, block.at.file),
    )


def selection(name: str, completed: Branch, flags: Branch, sources: Mapping[str, str]) -> SelectingProfile:
    """Of a profile that selects, without problems. Where nobody names a method it is the tunnel, which needs nothing."""
    profile, defaults = completed.branch("profiles").branch(name), completed.branch("defaults")
    template = merge(defaults, profile.only(_COMMON | {"enabled"}), flags)
    method = template.leaf("method")
    own: dict[str, Tree] = {"target": Leaf("service/selected", profile.at)}
    if method is None or method.at.layer == "embedded":
        own["method"] = Leaf("tunnel", profile.at)
    entry = ForwardEntry(name, name, f"profiles.{name}", Branch(profile.at, template.children | own))
    asked = flags.value("namespace", str)
    return SelectingProfile(
        profile=name,
        namespaces=(asked,) if asked else texts(profile, "namespaces"),
        labels=",".join(texts(profile, "labels")),
        exclude=texts(profile, "excludeServices"),
        template=forward(entry, sources),
    )


def variables(entry: ForwardEntry) -> dict[str, str]:
    block = entry.block.branch("env")
    return {name: text for name in block.children if (text := block.value(name, str)) is not None}


def is_enabled(block: Branch) -> bool:
    return block.value("enabled", bool) is not False


def addresses(block: Branch) -> tuple[str, ...]:
    """The IP addresses to listen on. 127.0.0.1 alone means both loopbacks; whoever writes a list means that list."""
    if block.value("address", str) == "127.0.0.1":
        return _BOTH_LOOPBACKS
    found: dict[str, None] = {}
    for each in texts(block, "address"):
        found |= dict.fromkeys(_BOTH_LOOPBACKS if each == "localhost" else (each,))
    return tuple(found)


def texts(block: Branch, key: str) -> tuple[str, ...]:
    one, many = block.value(key, str), block.value(key, list)
    return (one,) if one is not None else tuple(many or ())


def _retry(block: Branch) -> Retry:
    return Retry(
        initial_delay=_seconds(block, "initialDelay"),
        max_delay=_seconds(block, "maxDelay"),
        multiplier=block.value("multiplier", float) or Retry.multiplier,
        max_attempts=block.value("maxAttempts", int) or 0,
    )


def _health(block: Branch) -> Health:
    return Health(
        type=block.value("type", str) or Health.type,
        interval=_seconds(block, "interval"),
        timeout=_seconds(block, "timeout"),
        failures=block.value("failures", int) or Health.failures,
        path=block.value("path", str) or Health.path,
        statuses=texts(block, "statuses") or Health.statuses,
        tls=block.value("tls", bool) or False,
        headers=texts(block, "headers"),
        service=block.value("service", str) or "",
        command=texts(block, "command"),
    )


def _seconds(block: Branch, key: str) -> float:
    return seconds(block.value(key, str) or "0")
