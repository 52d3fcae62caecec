"""The areas: one list, each in a file of its own, which is imported when it is asked for."""

from importlib import import_module

from tests.fuzz.area import Area
from tests.fuzz.planted import PLANTED

#: By name, which is the file's: its class.
AREAS = {
    "kubeconfig": "Kubeconfig",
    "config": "Config",
    "state": "State",
    "plugin": "Plugin",
    "api": "Api",
    "tunnel": "Tunnel",
    "control": "Control",
}
#: What can be asked for: also those that fail on purpose.
NAMES = (*AREAS, *PLANTED)


def make(name: str) -> Area:
    if name in PLANTED:
        return PLANTED[name]()
    made: Area = getattr(import_module(f"tests.fuzz.{name}"), AREAS[name])()
    return made
