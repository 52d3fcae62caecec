"""`kfw run` in the image, on kind's network, with no terminal: the command's code, signals, and nothing that stays."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.quick_start.engine import Box, box, docker, once
from tests.quick_start.kind import KindCluster
from tests.real.running import until

pytestmark = pytest.mark.real

#: One of the five of quick-start/kfw.yaml, which is in the image's working directory.
RUN = ("kfw", "run", "amp-api", "--")
ASK = (
    "import json, os, urllib.request as r; e = os.environ;"
    "print(e['KFW_AMP_API_HOST'], json.load(r.urlopen(e['KFW_AMP_API_URL']))['app'])"
)
TESTS = """
import os, unittest, urllib.request

class ApiTest(unittest.TestCase):
    def test_api(self):
        with urllib.request.urlopen(os.environ["KFW_AMP_API_URL"], timeout=30) as answer:
            self.assertEqual(answer.status, int(os.environ["WANTED"]))
"""
#: Says who its parent is, which is kfw, and then only waits.
WAITS = ("sh", "-c", "echo kfw is $PPID; exec sleep 600")
#: Seconds for whatever a signal has to end; docker would say 137 after it.
PATIENCE = 60


@pytest.fixture
def options(cluster: KindCluster) -> Sequence[str]:
    return "--network", "kind", "-v", f"{cluster.internal_kubeconfig()}:/kubeconfig:ro"


@pytest.fixture
def stays(image: str, options: Sequence[str]) -> Iterator[Box]:
    """A container with a first process that only waits, in which others run commands."""
    with box(image, *options) as one:
        one.until_logs("no docker socket")
        until(
            lambda: processes(one)[-1].split(maxsplit=1)[1] == "sleep 600",
            PATIENCE,
            lambda: f"its command runs, but {processes(one)}",
        )
        yield one


def test_a_command_talks_to_its_forward_and_its_code_is_the_containers(
    image: str, options: Sequence[str]
) -> None:
    done = once(image, *RUN, "sh", "-c", 'python3 -c "$0"; exit 41', ASK, options=options)
    assert (done.stdout, done.returncode) == ("localhost amp-api\n", 41), done.stderr


@pytest.mark.parametrize(("wanted", "code"), [(200, 0), (404, 1)])
def test_it_runs_tests_and_has_their_code(
    image: str, options: Sequence[str], tmp_path: Path, wanted: int, code: int
) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_api.py").write_text(TESTS)
    for path in (folder, folder / "test_api.py"):
        path.chmod(0o755)  # for the user of the container
    mounted = [*options, "-v", f"{folder}:/tests:ro", "-e", f"WANTED={wanted}"]
    done = once(image, *RUN, "python3", "-m", "unittest", "discover", "-s", "/tests", options=mounted)
    assert done.returncode == code, done.stderr
    assert "Ran 1 test" in done.stderr


@pytest.mark.parametrize(
    ("act", "code"), [(("stop", "-t", str(PATIENCE)), 143), (("kill", "-s", "INT"), 130)], ids=["TERM", "INT"]
)
def test_a_signal_to_the_container_ends_the_command_and_what_was_up_does_not_come_back(
    image: str, options: Sequence[str], act: Sequence[str], code: int
) -> None:
    with box(image, *options, command=(*RUN, *WAITS)) as one:
        one.until_logs("kfw is ", PATIENCE)
        docker(*act, one.name, timeout=2 * PATIENCE)
        assert docker("wait", one.name, timeout=2 * PATIENCE).stdout.strip() == str(code), one.logs()
        assert "Traceback" not in one.logs()
        with box(image, "--network", "kind", "--volumes-from", one.name) as later:
            later.until_logs("no docker socket")
            later.kfw("start")
            rows = json.loads(later.kfw("status", "--json").stdout)["forwards"]
            assert {row["status"] for row in rows} <= {"stopped"}


def test_a_command_that_fails_leaves_no_process_in_the_container(stays: Box) -> None:
    before = processes(stays)
    stays.run(*RUN, "sh", "-c", "exit 7", code=7)
    until_as(before, stays)


@pytest.mark.parametrize(("name", "code"), [("TERM", 143), ("INT", 130), ("HUP", 129)])
def test_a_signal_to_kfw_alone_ends_its_command_and_leaves_no_process(
    stays: Box, name: str, code: int
) -> None:
    before = processes(stays)
    with started(stays, *RUN, *WAITS) as run:
        assert run.stdout
        pid = run.stdout.readline().rpartition(" ")[2].strip()
        assert pid.isdigit(), run.communicate(timeout=PATIENCE)
        stays.run("sh", "-c", f"kill -s {name} {pid}")
        _, said = run.communicate(timeout=PATIENCE)
    assert run.returncode == code, said
    assert "Traceback" not in said
    until_as(before, stays)


@contextmanager
def started(one: Box, *argv: str) -> Iterator["subprocess.Popen[str]"]:
    """As Box.run, while it runs."""
    pipe = subprocess.PIPE
    command = ["docker", "exec", "-u", "kfw", one.name, *argv]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) as run:
        try:
            yield run
        finally:
            run.kill()


def processes(one: Box) -> list[str]:
    """Process id and command line of each in the container, by age."""
    lines = docker("top", one.name, "-o", "pid,args").stdout.splitlines()[1:]
    return sorted(map(str.strip, lines), key=lambda line: int(line.split()[0]))


def until_as(before: Sequence[str], one: Box) -> None:
    """The daemon ends by itself after its last forward."""
    until(lambda: processes(one) == before, PATIENCE, lambda: f"only {before}, but {processes(one)}")
