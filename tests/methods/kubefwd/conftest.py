"""A stub for kubefwd, first on PATH, with a hosts file of the test's own, and the method beside it."""

import json
import os
import random
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kfw.methods.base import OpenRequest
from kfw.methods.kubefwd.method import Kubefwd, KubefwdTunnel
from kfw.methods.kubefwd.root_access import RootAccess
from kfw.model import Endpoint, Health, Target
from kfw.system.process import Children
from tests.fakes import forward
from tests.stubs import Call

HERE = Path(__file__).parent
#: A line of the user's own, which nobody may touch.
OWN = "127.9.9.9 mine.example # by hand\n"

Open = Callable[..., Awaitable[KubefwdTunnel]]


class KubefwdStub:
    """What the next kubefwd does (see the stub), and what those so far were told."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        home.mkdir()
        self.hosts = home / "hosts"
        self.hosts.write_text(f"127.0.0.1 localhost\n{OWN}")
        self.bin = home / "bin"
        self.bin.mkdir()
        (self.bin / "python3").symlink_to(sys.executable)
        (self.bin / "kubefwd").symlink_to(HERE / "kubefwd")
        self.id_says(0)
        monkeypatch.setenv("PATH", f"{self.bin}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("KUBEFWD_STUB", str(home))
        monkeypatch.setenv("KFW_HOME", str(home / "kfw"))
        self.port = free_port()
        self.plans()

    def plans(self, *services: tuple[str, str, int, str, int], version: str = "1.25.15", **more: Any) -> None:
        listed = services or (("shop", "api", self.port, "api-1", 8080),)
        new = self.home / "kubefwd.new"
        new.write_text(json.dumps({"version": version, "services": listed, **more}))
        new.replace(self.home / "kubefwd.json")

    def program(self, name: str, script: str) -> Path:
        file = self.bin / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return file

    def id_says(self, uid: int) -> None:
        """kubefwd finds out by `id -u` of PATH whether it is root."""
        self.program("id", f"echo {uid}")

    def kill_forward(self, service: str) -> None:
        """Its listener is gone, and kubefwd does nothing about it."""
        (self.home / f"dead-{service}").touch()

    def says(self, line: str) -> None:
        (self.home / f"say-{line}").touch()

    @property
    def calls(self) -> list[Call]:
        calls = self.home / "kubefwd.calls"
        with suppress(FileNotFoundError):
            return [Call(**json.loads(line)) for line in calls.read_text().splitlines()]
        return []


def free_port() -> int:
    """On every address of 127.0.0.0/8."""
    for port in random.sample(range(20000, 30000), 200):
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("", port))
            return port
    raise AssertionError("no port is free")


@pytest.fixture
def kubefwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KubefwdStub:
    return KubefwdStub(tmp_path / "stub", monkeypatch)


@pytest.fixture
def method(children: Children, kubefwd: KubefwdStub) -> Kubefwd:
    return Kubefwd(children, RootAccess(uid=0, hosts=str(kubefwd.hosts)))


@pytest_asyncio.fixture
async def opened(method: Kubefwd, kubefwd: KubefwdStub) -> AsyncIterator[Open]:
    """`await opened("api")` is an open tunnel to that service; it is closed at the end."""
    tunnels: list[KubefwdTunnel] = []

    async def one(name: str = "api", *, pod_port: int = 8080, **changes: Any) -> KubefwdTunnel:
        tunnels.append(await method.open(request(name, kubefwd.port, pod_port=pod_port, **changes)))
        return tunnels[-1]

    yield one
    for tunnel in tunnels:
        await tunnel.close()


def request(name: str, port: int, *, pod_port: int = 8080, **changes: Any) -> OpenRequest:
    wanted = forward(
        name,
        **{
            "target": Target.parse(f"service/{name}"),
            "target_port": port,
            "method": "kubefwd",
            "profile": "dev",
            "health": Health(timeout=2.0),
            **changes,
        },
    )
    return OpenRequest(wanted, (Endpoint("pod", f"{name}-1", "10.0.0.1", pod_port),))
