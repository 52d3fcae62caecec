"""The areas: one list, each in a file of its own."""

from tests.fuzz.api import Api
from tests.fuzz.area import MakeArea
from tests.fuzz.config import Config
from tests.fuzz.control import Control
from tests.fuzz.kubeconfig import Kubeconfig
from tests.fuzz.planted import PLANTED
from tests.fuzz.plugin import Plugin
from tests.fuzz.state import State

AREAS: tuple[type, ...] = (Kubeconfig, Config, State, Plugin, Api, Control)

#: By name, with those that fail on purpose.
ALL: dict[str, MakeArea] = {area.name: area for area in (*AREAS, *PLANTED)}
DEFAULT = tuple(area.name for area in AREAS)
