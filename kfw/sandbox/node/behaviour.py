"""How a pod of the sandbox shall behave, by its annotations or its containers' environment. Pure.

sandbox.kfw.dev/start-after: 500ms   or env KFW_START_AFTER    until its containers run
sandbox.kfw.dev/ready-after: 2s      or env KFW_READY_AFTER    from running to ready
sandbox.kfw.dev/ready: "false"       or env KFW_READY          never ready; the annotation can be changed at any time
sandbox.kfw.dev/listen: "false"      or env KFW_LISTEN         its ports refuse; the annotation can be changed at any time
sandbox.kfw.dev/listen-after: 2s     or env KFW_LISTEN_AFTER   from running until its ports are open
sandbox.kfw.dev/crash-after: 3s      or env KFW_CRASH_AFTER    ends with code 1 that long after each start
sandbox.kfw.dev/drain: 1s            or env KFW_DRAIN          serves on at least that long after it was told to end
"""

import re
from dataclasses import dataclass

from kfw.sandbox.objects import Object, annotation

PREFIX = "sandbox.kfw.dev/"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|)$")


@dataclass(frozen=True)
class Behaviour:
    """Seconds; `crash_after` None: never."""

    start_after: float = 0.2
    ready_after: float = 0.2
    ready: bool = True
    listen: bool = True
    listen_after: float = 0.0
    crash_after: float | None = None
    drain: float = 0.3


def behaviour(pod: Object, usual: Behaviour) -> Behaviour:
    """What the pod says, else what is `usual`. Unreadable values are ignored, as an app would."""
    crash = _seconds(pod, "crash-after")
    return Behaviour(
        start_after=_or(_seconds(pod, "start-after"), usual.start_after),
        ready_after=_or(_seconds(pod, "ready-after"), usual.ready_after),
        ready=_setting(pod, "ready") != "false",
        listen=_setting(pod, "listen") != "false",
        listen_after=_or(_seconds(pod, "listen-after"), usual.listen_after),
        crash_after=usual.crash_after if crash is None else crash,
        drain=_or(_seconds(pod, "drain"), usual.drain),
    )


def _or(value: float | None, usual: float) -> float:
    return usual if value is None else value


def _seconds(pod: Object, name: str) -> float | None:
    found = _DURATION.match(_setting(pod, name))
    return float(found[1]) * _UNITS[found[2]] if found else None


def _setting(pod: Object, name: str) -> str:
    said = annotation(pod, PREFIX + name)
    return environment(pod).get("KFW_" + name.upper().replace("-", "_"), "") if said is None else said


def environment(pod: Object) -> dict[str, str]:
    """The plain values of all its containers' environment."""
    containers = pod["spec"].get("containers") or []
    return {one["name"]: one["value"] for box in containers for one in box.get("env") or [] if "value" in one}
