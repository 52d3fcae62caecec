"""`context: follow`: the forward goes where the current context of its kubeconfig goes, and any other stays."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.real.running import until
from tests.whole.conftest import Make
from tests.whole.place import Place, place
from tests.whole.program import Entry, Program
from tests.whole.test_moved import Config, answers_http, content, serve, talking

#: Seconds, by the issue that asked for it.
SOON = 2.0


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("other")) as here:
        serve(here, "kfw/http")
        yield here


def both(first: Place, second: Place) -> Config:
    """The contexts `first`, which is the current one, and `second`."""
    merged: Config = {"apiVersion": "v1", "kind": "Config", "current-context": "first"}
    merged |= {"clusters": [], "users": [], "contexts": []}
    for name, of in (("first", content(first)), ("second", content(second))):
        merged["clusters"].append({**of["clusters"][0], "name": name})
        merged["users"].append({**of["users"][0], "name": name})
        merged["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    return merged


def write(file: Path, config: Config, current: str) -> None:
    fresh = file.with_suffix(".fresh")
    fresh.write_text(yaml.safe_dump({**config, "current-context": current}))
    fresh.replace(file)


def entry(port: int, **more: object) -> Entry:
    return {"target": "service/app", "localPort": port, "namespace": "shop", "method": "tunnel", **more}


@pytest.fixture
def contexts(own: Place, other: Place, tmp_path: Path) -> tuple[Path, Config]:
    serve(own, "kfw/echo")
    file, config = tmp_path / "kubeconfig", both(own, other)
    write(file, config, "first")
    return file, config


def test_A9_what_follows_moves_within_2_s_drains_and_tells_and_what_does_not_stays(
    contexts: tuple[Path, Config], make_kfw: Make, ports: object
) -> None:
    file, config = contexts
    follows, stays = ports(2)  # type: ignore[operator]
    kfw = make_kfw(file)
    kfw.up({"follows": entry(follows, context="follow"), "stays": entry(stays)})
    seq = kfw.seq()
    assert kfw.status("follows")["context"] == "first"
    with talking(follows) as say:
        write(file, config, "second")
        began = time.monotonic()
        until(lambda: answers_http(follows), 4 * SOON, lambda: str(kfw.status("follows")))
        took = time.monotonic() - began
        print(f"moved after {took:.2f} s")
        assert took < SOON
        say(b"still in the first")
    row = kfw.until_row("follows", status="active")
    assert (row["context"], row["localPort"]) == ("second", follows)
    said = [row["message"] for row in kfw.history("follows", seq)]
    assert any("the current context is second now" in message for message in said), said
    with talking(stays) as say:
        say(b"pinned")
    assert kfw.status("stays")["context"] == "first"
    assert {row["status"] for row in kfw.history("stays", seq)} <= {"active"}


def test_A9_an_unreachable_context_is_told_and_the_old_cluster_gets_nothing_more(
    contexts: tuple[Path, Config], make_kfw: Make, port: int
) -> None:
    file, config = contexts
    config["clusters"].append({"name": "away", "cluster": {"server": "http://127.0.0.1:1"}})
    config["contexts"].append({"name": "away", "context": {"cluster": "away", "user": "first"}})
    kfw = make_kfw(file)
    kfw.up({"app": entry(port, context="follow", hold="300ms")})
    write(file, config, "away")
    row = kfw.until_row("app", status="suspended")
    assert (row["context"], row["reason"]) == ("away", "cluster-unreachable")
    with pytest.raises(OSError), talking(port):
        pass
    write(file, config, "first")
    kfw.until_row("app", status="active", context="first")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("clusters: [", "cannot read the kubeconfig"),
        (None, "has no current-context"),
    ],
    ids=["half a file", "no current context"],
)
def test_A9_a_kubeconfig_that_names_no_context_moves_nothing_and_this_is_told(
    contexts: tuple[Path, Config], make_kfw: Make, port: int, text: str | None, why: str
) -> None:
    file, config = contexts
    kfw = make_kfw(file)
    kfw.up({"app": entry(port, context="follow")})
    if text:
        file.write_text(text)
    else:
        write(file, config, "")
    until(lambda: why in warnings(kfw), 10, lambda: warnings(kfw))
    assert kfw.status("app")["context"] == "first"
    with talking(port) as say:
        say(b"as before")
    write(file, config, "second")
    kfw.until_row("app", status="active", context="second")
    until(lambda: not warnings(kfw), 5, lambda: warnings(kfw))


def warnings(kfw: Program) -> str:
    return " ".join(kfw.ask("/v1/status")["daemon"]["warnings"])
