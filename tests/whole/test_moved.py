"""A cluster that moved: the kubeconfig leads elsewhere while the old one still answers."""

import http.client
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from kfw.sandbox.manifests import namespace as namespace_object
from kfw.sandbox.manifests import pod, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.running import until
from tests.whole.conftest import Make
from tests.whole.place import Place, place

#: Seconds, by the issue that asked for it.
SOON = 3.0

Config = dict[str, Any]


def content(of: Place) -> Config:
    loaded: Config = yaml.safe_load(of.kubeconfig.read_text())
    return loaded


def serve(where: Place, image: str) -> None:
    """Pods of all clusters have the same names; what they serve tells them apart."""
    where.apply(
        namespace_object("shop"),
        pod("shop", "app", image, ports={"app": 9000}),
        service("shop", "app", service_port(80, "app")),
    )


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("other")) as here:
        serve(here, "kfw/http")
        yield here


def another_server(new: Config, file: Path) -> None:
    """All entries keep their names."""
    file.write_text(yaml.safe_dump(new))


def another_file(new: Config, file: Path) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(yaml.safe_dump(new))
    fresh.replace(file)


def another_link(new: Config, file: Path) -> None:
    """As a mounted secret is renewed."""
    fresh = file.with_suffix(".second")
    fresh.write_text(yaml.safe_dump(new))
    link = file.with_suffix(".link")
    link.symlink_to(fresh)
    link.replace(file)


def another_cluster_entry(new: Config, file: Path) -> None:
    old: Config = yaml.safe_load(file.read_text())
    old["clusters"].append({**new["clusters"][0], "name": "moved"})
    old["users"].append({**new["users"][0], "name": "moved"})
    old["contexts"][0]["context"].update(cluster="moved", user="moved")
    file.write_text(yaml.safe_dump(old))


def first_broken_then_another(new: Config, file: Path) -> None:
    file.write_text("clusters: [")
    time.sleep(1.5)
    file.write_text(yaml.safe_dump(new))


MOVES = (another_server, another_file, another_link, another_cluster_entry, first_broken_then_another)


@contextmanager
def talking(port: int) -> Iterator[Callable[[bytes], None]]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:

        def say(words: bytes) -> None:
            connection.sendall(words)
            assert connection.recv(len(words), socket.MSG_WAITALL) == words

        say(b"hello")
        yield say


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.__name__)
def test_NFR_REL_03_a_forward_moves_with_its_cluster_and_live_connections_end_by_themselves(
    own: Place, other: Place, make_kfw: Make, tmp_path: Path, port: int, move: Callable[[Config, Path], None]
) -> None:
    serve(own, "kfw/echo")
    file = tmp_path / "kubeconfig"
    first, second = content(own), content(other)
    second["contexts"][0]["name"] = second["current-context"] = first["contexts"][0]["name"]
    file.write_text(yaml.safe_dump(first))
    kfw = make_kfw(file)
    kfw.up({"app": {"target": "service/app", "localPort": port, "namespace": "shop", "method": "tunnel"}})
    with talking(port) as say:
        move(second, file)
        began = time.monotonic()
        until(lambda: answers_http(port), 2 * SOON, lambda: f"the other cluster answers: {kfw.status('app')}")
        assert time.monotonic() - began < SOON
        until(lambda: kfw.status("app")["status"] == "active", 1, lambda: str(kfw.status("app")))
        say(b"still here")
        assert answers_http(port)
        say(b"as long as it likes")
    assert kfw.status("app")["status"] == "active"


def answers_http(port: int) -> bool:
    """It is the other cluster's pod: the first one's says back what it hears."""
    with suppress(OSError, http.client.HTTPException):
        return talk.pod_behind(port) == "app"
    return False


def test_a_new_token_of_the_same_user_is_no_move_and_new_connections_go_by_it(
    own: Place, make_kfw: Make, tmp_path: Path, port: int
) -> None:
    serve(own, "kfw/echo")
    file = own.user("ada", "shop")
    old = yaml.safe_load(file.read_text())
    kfw = make_kfw(file)
    kfw.up({"app": {"target": "service/app", "localPort": port, "namespace": "shop", "method": "tunnel"}})
    seq = kfw.seq()
    with talking(port) as say:
        [before] = [user["user"]["token"] for user in old["users"]]
        own.user("ada", "shop")  # writes the file again, with another token
        assert before not in file.read_text()
        time.sleep(SOON)
        own.do(lambda sandbox: sandbox.users.by_token.pop(before))
        say(b"still here")
        with talking(port) as say_more:
            say_more(b"and here")
        say(b"as long as it likes")
        assert {row["status"] for row in kfw.history("app", seq)} <= {"active"}
    until(lambda: kfw.status("app")["reason"] is None, 5, lambda: str(kfw.status("app")))
