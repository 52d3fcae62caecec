"""kfw run on the sandbox: a command that talks to what it needs, and nothing left of it, whichever way it ends."""

import os
import signal
import sys
from pathlib import Path

import pytest
import yaml

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.rig import ROOT
from tests.real.running import until
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Entry, Program, listens

#: Asks the forward as its variables say, and shows what the app answers.
ASK = (
    "import os, urllib.request; "
    "print(urllib.request.urlopen(os.environ['WEB'], timeout=20).status, os.environ['KFW_WEB_PORT'])"
)


@pytest.fixture
def web(shared: Place, namespace: str, port: int) -> Entry:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
    )
    return {
        "target": "service/web",
        "namespace": namespace,
        "localPort": port,
        "env": {"WEB": "http://{host}:{port}/"},
    }


def nothing_is_left(kfw: Program, port: int) -> None:
    until(lambda: not kfw.processes(), 30, lambda: f"nothing is left, but {kfw.processes()}")
    assert not listens(port)


def test_a_command_talks_to_its_forward_and_nothing_is_left(own_kfw: Program, web: Entry) -> None:
    own_kfw.configure({"web": web})
    done = own_kfw("run", "--", sys.executable, "-c", ASK)
    assert done.stdout == f"200 {web['localPort']}\n"
    nothing_is_left(own_kfw, web["localPort"])


@pytest.mark.parametrize("job", ["GitHub", "GitLab"])
def test_the_line_of_a_job_in_CI_runs_real_tests_and_has_their_exit_code(
    make_kfw: Make, shared: Place, web: Entry, job: str
) -> None:
    kfw = make_kfw(shared.kubeconfig, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    [line] = [words for words in lines_of_a_job(job) if words.startswith("kfw ")]
    kfw.configure({"api": web})
    tests = kfw.project / "tests" / "integration"
    tests.mkdir(parents=True)
    ask = "import os, urllib.request\ndef test_api():\n    assert urllib.request.urlopen(os.environ['WEB']).status == "
    (tests / "test_api.py").write_text(f"{ask}200\n")
    assert "1 passed" in kfw(*line.split()[1:]).stdout
    (tests / "test_api.py").write_text(f"{ask}404\n")
    assert "1 failed" in kfw(*line.split()[1:], code=1).stdout
    nothing_is_left(kfw, web["localPort"])


def lines_of_a_job(name: str) -> list[str]:
    """Of docs/ci.md: what the job runs, as its YAML says it."""
    page = (ROOT / "docs" / "ci.md").read_text()
    block = yaml.safe_load(page.split(name, 1)[1].split("```yaml\n", 1)[1].split("```", 1)[0])
    job = block.get("jobs", block)["integration"]
    return [step["run"] for step in job["steps"] if "run" in step] if "steps" in job else list(job["script"])


def test_only_what_it_brought_up_is_taken_back(own_kfw: Program, web: Entry) -> None:
    other = {**web, "localPort": talk.free_ports(1)[0], "env": {}}
    own_kfw.up({"web": web, "other": other}, "other")
    assert own_kfw("run", "--", "sh", "-c", "exit 7", code=7).stdout == ""
    assert own_kfw.status("other")["status"] == "active"
    assert own_kfw.status("web") == {}
    own_kfw("up", "web")
    own_kfw("run", "web", "--", "true")
    assert own_kfw.status("web")["status"] == "active"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_and_then_its_forward(
    own_kfw: Program, web: Entry, number: signal.Signals
) -> None:
    own_kfw.configure({"web": web})
    with own_kfw.popen("run", "--", "sh", "-c", "echo on; exec sleep 60") as run:
        assert run.stdout
        assert run.stdout.readline() == "on\n"
        run.send_signal(number)
        _, said = run.communicate(timeout=60)
    assert run.returncode == 128 + number
    assert "Traceback" not in said
    nothing_is_left(own_kfw, web["localPort"])


def test_the_kill_of_the_command_is_heard(own_kfw: Program, web: Entry, tmp_path: Path) -> None:
    own_kfw.configure({"web": web})
    with own_kfw.popen("run", "--", "sh", "-c", "echo $$; exec sleep 60") as run:
        assert run.stdout
        os.kill(int(run.stdout.readline()), signal.SIGKILL)
        run.communicate(timeout=60)
    assert run.returncode == 137
    nothing_is_left(own_kfw, web["localPort"])


def test_a_forward_that_does_not_come_up_has_its_code_and_the_command_is_not_run(
    own_kfw: Program, web: Entry, tmp_path: Path
) -> None:
    own_kfw.configure({"web": {**web, "target": "service/absent"}})
    done = own_kfw("run", "--", "touch", str(tmp_path / "ran"), code=1)
    assert "touch was not run" in done.stderr
    assert not (tmp_path / "ran").exists()
    nothing_is_left(own_kfw, web["localPort"])


def test_up_in_the_foreground_ends_with_the_code_when_nothing_can_come_up(
    own_kfw: Program, web: Entry
) -> None:
    with talk.listener(web["localPort"]):
        own_kfw.configure({"web": web})
        done = own_kfw("up", "--foreground", "--json", code=6)
    assert done.stderr.count("port-in-use") == 1
    assert '"port-in-use"' in done.stdout


def test_moment_19_wait_fail_fast_ends_when_one_needs_a_person(own_kfw: Program, web: Entry) -> None:
    own_kfw.up({"web": {**web, "target": "service/absent"}}, code=1)
    done = own_kfw("wait", "--fail-fast", "--timeout", "50s", code=1, timeout=40)
    assert "these need you: web" in done.stderr


def test_up_with_a_time_waits_for_a_cluster_that_is_away(own: Place, make_kfw: Make, port: int) -> None:
    kfw = make_kfw(own.kubeconfig)
    own.apply(
        deployment("default", "web", ports={"http": 8080}),
        service("default", "web", service_port(80, "http")),
    )
    own.stop_api()
    kfw.configure({"web": {"target": "service/web", "namespace": "default", "localPort": port}})
    with kfw.popen("up", "--timeout", "90s") as up:
        kfw.until_row("web", 60, status="suspended")
        own.start_api()
        up.communicate(timeout=90)
    assert up.returncode == 0
