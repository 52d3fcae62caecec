"""scripts/onefile.sh: kfw in one file, which is its own daemon, too."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kfw
from kfw.sandbox.manifests import deployment, port, service
from tests.other_user import ROOT
from tests.packages.building import bare_environment, run
from tests.real import talk
from tests.whole.place import Place, place
from tests.whole.program import Program

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def file(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onefile")
    tools = str(Path(sys.executable).parents[1])
    env = {**bare_environment(folder), "WHEELS": str(wheels), "TOOLS": tools, "PYTHON": sys.executable}
    made = run(ROOT / "scripts/onefile.sh", folder / "kfw", env=env)
    assert made.stdout == f"{folder / 'kfw'}\n"
    return folder / "kfw"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Place]:
    with place(
        tmp_path,
        deployment("default", "web", ports={"http": 8080}),
        service("default", "web", port(80, "http")),
    ) as here:
        yield here


@pytest.fixture
def program(file: Path, cluster: Place) -> Iterator[Program]:
    """With a folder of its own to unpack into, and no other Python first on PATH."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    one = Program(cluster.kubeconfig, {"PEX_ROOT": str(file.parent / "unpacked"), "PATH": path}, file)
    try:
        yield one
    finally:
        one.close()


def test_it_forwards_with_a_daemon_of_its_own_and_has_all_extras(program: Program) -> None:
    assert program.json("version")["installedBy"] == "zipapp"
    local, metrics = talk.free_ports(2)
    web = {"target": "service/web", "targetPort": 80, "localPort": local}
    program.up({"web": web}, daemon={"metricsListen": f"127.0.0.1:{metrics}"})
    assert talk.pod_behind(local).startswith("web-")
    said = program.json("version")
    assert said["version"] == said["daemon"] == kfw.__version__
    assert b"kfw_daemon_info" in talk.exchange(metrics, b"GET /metrics HTTP/1.0\r\n\r\n", half_close=False)
    python = Path(f"/proc/{program.daemon()['pid']}/cmdline").read_text().split("\0")[0]
    assert python.startswith(program.env["PEX_ROOT"])
    run(python, "-c", "import google.protobuf, grpc, hpack, textual, uvloop")


def test_a_service_runs_the_file_and_not_what_it_was_unpacked_into(program: Program) -> None:
    said = program("service", "install", "--dry-run").stdout
    assert str(program.program) in said
    assert program.env["PEX_ROOT"] not in said
