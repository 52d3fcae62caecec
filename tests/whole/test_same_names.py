"""Two projects have a forward `api`: each is its own, in every command and from every folder."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.running import until
from tests.whole.place import Place
from tests.whole.program import Entry, Program, listens

Entries = Callable[[], Entry]


@pytest.fixture
def entry(shared: Place, namespace: str) -> Entries:
    """`entry()`: a forward that works, with a local port of its own."""
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
    )
    target = {"target": "service/web", "targetPort": 80, "namespace": namespace}
    return lambda: {**target, "localPort": talk.free_ports(1)[0]}


def folder(kfw: Program, name: str) -> Path:
    """Go there: the next commands run in it."""
    kfw.project = kfw.folder / name
    kfw.project.mkdir(exist_ok=True)
    return kfw.project


def shown(kfw: Program, *words: str) -> list[str]:
    return [row["displayName"] for row in kfw.json("status", *words)["forwards"]]


def test_up_in_two_folders_and_down_in_one_leaves_the_other(own_kfw: Program, entry: Entries) -> None:
    kfw, ports = own_kfw, {}
    for project in ("shop", "blog"):
        folder(kfw, project)
        own = {"api": entry(), f"only-{project}": entry()}
        ports[project] = own["api"]["localPort"]
        assert shown_after_up(kfw, own) == 2

    everywhere = ["shop/api", "only-shop", "blog/api", "only-blog"]
    for project in ("shop", "blog"):
        folder(kfw, project)
        assert shown(kfw) == everywhere
        assert shown(kfw, "api") == [f"{project}/api"]
        assert kfw("open", "api", "--print").stdout.strip().endswith(f":{ports[project]}")
        assert kfw("wait", "api").returncode == 0
        assert kfw.json("explain", "api")["forward"]["localPort"] == ports[project]

    folder(kfw, "elsewhere")
    assert shown(kfw) == everywhere
    assert shown(kfw, "only-shop") == ["only-shop"]
    for command in ("status", "down", "restart", "explain", "open", "wait", "top", "verify", "logs"):
        said = kfw(command, "api", code=2).stderr
        assert "'api' is in 2 projects" in said and "name one of shop/api, blog/api" in said, command
    row = kfw.json("status", "blog/api")["forwards"][0]
    assert (row["name"], row["project"]) == ("api", str(kfw.folder / "blog" / "kfw.yaml"))
    told = kfw.json("restart", "shop/api")
    assert told["forwards"] == {"shop/api": {"project": str(kfw.folder / "shop" / "kfw.yaml"), "name": "api"}}
    until(lambda: "shop/api: active" in kfw("logs", "shop/api").stdout, 10, kfw.log)
    assert "blog/api" not in kfw("logs", "shop/api").stdout

    folder(kfw, "shop")
    assert "stopped: shop/api" in kfw("down").stderr
    assert not listens(ports["shop"])
    assert listens(ports["blog"])
    assert kfw.json("status", "blog/api")["forwards"][0]["status"] == "active"


def shown_after_up(kfw: Program, forwards: dict[str, Entry]) -> int:
    """How many rows `up` shows: those of this project."""
    kfw.configure(forwards)
    return len(json.loads(kfw("up", "--json").stdout)["forwards"])
