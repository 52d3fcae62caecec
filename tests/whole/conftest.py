"""One sandbox and one daemon for all tests that leave them whole; others make their own."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import namespace as namespace_object
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.whole.place import Place, place
from tests.whole.program import Entry, Program

HERE = Path(__file__).parent
_NUMBERS = count(1)

Make = Callable[..., Program]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("sandbox")


@pytest.fixture(scope="session")
def _certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sandboxes of one directory share certificates; making them takes longer than all the rest."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("shared")) as here:
        yield here


@pytest.fixture
def own(_certificates: Path) -> Iterator[Place]:
    """A sandbox for this test alone, empty: for an API that goes away."""
    with place(_certificates) as here:
        yield here


@pytest.fixture
def namespace(shared: Place) -> Iterator[str]:
    """Of this test alone; its objects are gone afterwards."""
    name = f"ns-{next(_NUMBERS)}"
    shared.do(lambda sandbox: sandbox.apply(namespace_object(name)))
    yield name
    shared.do(lambda sandbox: sandbox.delete("namespaces", "", name))


@pytest.fixture
def web(shared: Place, namespace: str) -> Entry:
    """A service and the pod behind it; of a config the entry without a local port."""
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
    )
    return {"target": "service/web", "namespace": namespace}


@pytest.fixture(scope="session")
def _program(shared: Place) -> Iterator[Program]:
    program = Program(shared.kubeconfig)
    try:
        program("start")
        yield program
    finally:
        program.close()


@pytest.fixture
def kfw(_program: Program, tmp_path: Path) -> Iterator[Program]:
    """The shared daemon, in a working directory of this test; its forwards are gone afterwards."""
    _program.project = tmp_path
    _program.since = _program.seq()
    yield _program
    if rows := _program.rows():
        _program("remove", *rows)


@pytest.fixture
def make_kfw() -> Iterator[Make]:
    """`make_kfw(kubeconfig, PATH=...)`: a kfw with a home of its own; nothing it started may be left afterwards."""
    with ExitStack() as stack:

        def make(kubeconfig: Path | str, **env: str) -> Program:
            program = Program(kubeconfig, env)
            stack.callback(program.close)
            return program

        yield make


@pytest.fixture
def own_kfw(shared: Place, make_kfw: Make) -> Program:
    """kfw with a home of its own on the shared sandbox: for a daemon that is killed."""
    return make_kfw(shared.kubeconfig)


@pytest.fixture
def ports() -> Callable[[int], list[int]]:
    return talk.free_ports


@pytest.fixture
def port() -> int:
    return talk.free_ports(1)[0]


@pytest.fixture
def path_without(tmp_path: Path) -> Callable[[str], str]:
    """`path_without("kubectl")`: a PATH on which everything of the present one is, but not this tool."""

    def make(tool: str) -> str:
        folder = tmp_path / f"without-{tool}"
        folder.mkdir()
        for directory in reversed(os.environ["PATH"].split(os.pathsep)):
            for file in Path(directory).glob("*"):
                link = folder / file.name
                if file.name != tool:
                    link.unlink(missing_ok=True)
                    link.symlink_to(file)
        return str(folder)

    return make
