"""What a config may say and kfw does not do is told with its place, and nothing else is."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

import kfw
from kfw.config.blocks import Block, Named
from kfw.config.schema import SETTINGS
from kfw.config.settings import Settings
from kfw.config.shapes import Shape
from kfw.config.unused import KEYS
from kfw.errors import ConfigError
from tests.config.fakes import DATA, Project

#: Of each shape one of these is a right value that is not the default.
VALUES_TO_TRY: list[Any] = [
    True,
    False,
    7,
    3.5,
    "7m",
    "word",
    "/path",
    "10.1.2.3",
    "127.0.0.1:99",
    "service/other",
    "http://other",
    "https://other",
    ["word"],
    ["X-Other: y"],
    ["204"],
    {"OTHER": "{port}"},
    "$.other",
    '{"other": 1}',
]
#: With what every other key of access needs.
ACCESS = {"forward": "x", "tls": True, "tokenEnv": "X"}
#: One forward of its own, one in a profile, one profile that selects; with health of a kind that takes all of its keys.
BASE: dict[str, Any] = {
    "portForwards": {"x": {"target": "service/x", "targetPort": 80, "localPort": 8000}},
    "profiles": {"x": {"namespaces": ["a", "b"]}},
    "defaults": {"health": {"type": "exec", "command": ["true"]}},
    "collector": {
        "services": {
            name: {**ACCESS}  # each its own: YAML would write one with aliases
            for name in ("environment", "architectureInventory", "recommendations", "requirements")
        },
        "metrics": {"x": {**ACCESS, "path": "/x", "value": "$"}},
    },
}
#: Of these a block of the collector may have one.
RIVALS = ({"forward", "url", "host"}, {"url", "tls"}, {"path", "method"}, {"tokenEnv", "tokenFile"})
#: The same block as that of portForwards: once is enough.
LISTED_FORWARDS = ("profiles", "x", "portForwards")


def keys(block: Block, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Shape]]:
    """Every key of the schema that holds a value, by its path; what has names has the name x."""
    for name, field in block.fields.items():
        at = (*path, name)
        inner, at = (field.shape.block, (*at, "x")) if isinstance(field.shape, Named) else (field.shape, at)
        if isinstance(inner, Block):
            if at[:3] != LISTED_FORWARDS:
                yield from keys(inner, at)
        else:
            yield at, inner


ALL = dict(keys(SETTINGS))


def dotted(path: tuple[str, ...]) -> str:
    return ".".join(path).replace("portForwards.x.", "forward.")


def is_told(path: tuple[str, ...]) -> bool:
    return any(dotted(path) == key or dotted(path).startswith(f"{key}.") for key in KEYS)


@pytest.mark.parametrize("path", ALL, ids=dotted)
def test_a_key_either_changes_what_kfw_does_or_is_told(project: Project, path: tuple[str, ...]) -> None:
    project.write("kfw.yaml", yaml.safe_dump(BASE))
    before = facts(project.load())
    tried, read = 0, set[str]()
    for value in (*ALL[path].json({}).get("enum", ()), *VALUES_TO_TRY):
        project.write("kfw.yaml", yaml.safe_dump(_with(path, value)))
        try:
            after = facts(project.load())
        except ConfigError:
            continue
        tried += 1
        changed = {name for name in after.keys() | before.keys() if after.get(name) != before.get(name)}
        if read := {name for name in changed if name.rpartition(".")[2] in names_read()}:
            break
    assert tried, "no value of the list is a right one for it"
    assert bool(read) is not is_told(path), f"changes {sorted(read)}, told: {is_told(path)}"


def _with(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """BASE and this value."""
    tree: dict[str, Any] = yaml.safe_load(yaml.safe_dump(BASE))
    inner = tree
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
    rivals = {key for group in RIVALS for key in group if path[-1] in group}
    for rival in rivals & inner.keys() if path[0] == "collector" else ():
        del inner[rival]
    inner[path[-1]] = value
    return tree


def facts(settings: Settings) -> dict[str, object]:
    """What leaves the config, by the dotted names of fields; without what is only shown: values, places, warnings."""
    wanted = {
        "forwards": dict(settings.forwards),
        "variables": settings.variables,
        "off_by_profile": settings.off_by_profile,
        "selections": dict(settings.selections),
        "daemon": settings.daemon,
        "ui": settings.ui,
        "collector": settings.collector,
        "updates": settings.updates,
    }
    return dict(_fields("", wanted))


def _fields(path: str, value: Any) -> Iterator[tuple[str, object]]:
    if is_dataclass(value):
        for each in fields(value):
            yield from _fields(f"{path}.{each.name}", getattr(value, each.name))
    elif isinstance(value, dict) and value and "variables" not in path:
        for key, each in value.items():
            yield from _fields(f"{path}.{key}", each)
    else:
        yield path, value


@cache
def names_read() -> frozenset[str]:
    """Fields that somebody reads who is not the config itself, nor the check of a request, which only looks at them."""
    root = Path(kfw.__file__).parent
    passing = {root / "daemon" / "request_validation.py", *(root / "config").glob("*.py")}
    texts = [file.read_text() for file in set(root.rglob("*.py")) - passing]
    found = {name for text in texts for name in re.findall(r"(?<=\w)\.([a-z]\w*)", text)}
    return frozenset(found | {"x"})  # settings.variables["x"]


def test_each_row_names_a_key_of_the_schema() -> None:
    known = {dotted(path) for path in ALL}
    assert [key for key in KEYS if not any(f"{each}.".startswith(f"{key}.") for each in known)] == []


def test_each_is_told_once_with_its_place_in_the_order_of_the_file(project: Project) -> None:
    project.write(
        "kfw.yaml",
        """\
portForwards:
  cart: {target: service/cart, localPort: 1, type: rpc}
  shop: {target: service/shop, localPort: 2, type: web}
profiles:
  dev:
    portForwards:
      api:
        target: service/api
        localPort: 3
        type: rest
        apiPath: api/v1
monitoringInterval: 1s
daemon: {logFile: null, pidFile: /run/p}
collector: {output: {logFile: /log}}
""",
    )
    assert [str(each) for each in project.load().unused] == [
        "kfw.yaml:12:21: monitoringInterval has no effect: kfw watches the cluster and does not poll",
        "kfw.yaml:13:34: daemon.pidFile has no effect: KFW_HOME moves the pidfile",
        "kfw.yaml:14:31: collector.output.logFile has no effect: `kfw collect --every` writes to output.destination",
    ]


@pytest.mark.parametrize(
    "text", ["{}", "collector: {enabled: false}", "uiOptions: {theme: light}", "collector:"]
)
def test_what_asks_for_nothing_is_not_told(project: Project, text: str) -> None:
    project.write("kfw.yaml", f"{text}\n")
    assert project.load().unused == ()


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("seed_000_user.yaml", ["monitoringInterval"]),
        ("seed_000_collector.yaml", []),
        ("seed_004_profiles.yaml", ["daemon.logFile", "daemon.pidFile", "daemon.socketPath"]),
    ],
)
def test_the_seeds_configs_say_what_is_not_done(project: Project, file: str, words: list[str]) -> None:
    assert [each.word for each in project.load(DATA / file).unused] == words
