"""Tab: what the shell asks, typed in a real bash, with values from a live cluster."""

import json
import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest

from kfw.completion.shells import FILES
from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.running import KFW, until
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Program


def tab(kfw: Program, line: str) -> list[str]:
    """What is offered where the line ends."""
    env = {**kfw.env, "_KFW_COMPLETE": "lines", "COMP_LINE": line}
    done = subprocess.run(
        [KFW], env=env, cwd=kfw.project, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert done.returncode in (0, FILES)
    return [one.partition("\t")[0] for one in done.stdout.splitlines()]


def offered(kfw: Program, line: str) -> list[str]:
    """As `tab`, for what the cluster has: on a machine that is too busy it does not answer within a second, and is then
    left alone for some."""
    return until(lambda: tab(kfw, line), 40, lambda: f"Tab offers something behind {line}", pause=1.0)


@pytest.fixture
def web(shared: Place, namespace: str) -> str:
    """A namespace with a service and a deployment."""
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http"), service_port(9090, "metrics", 8080)),
    )
    return namespace


def test_values_come_from_the_kubeconfig_the_cluster_the_config_and_the_daemon(
    kfw: Program, web: str
) -> None:
    kfw.configure({"api": {"target": "service/web", "targetPort": 80, "namespace": web}})
    assert tab(kfw, "kfw up --context ") == ["kfw-sandbox"]
    # What another test was offered is remembered for some seconds.
    assert until(lambda: web in tab(kfw, "kfw add -n "), 40, lambda: f"Tab offers {web}", pause=1.0)
    assert offered(kfw, f"kfw add -n {web} svc/") == ["svc/web"]
    assert {"service/web", "deployment/web"} <= set(offered(kfw, f"kfw add -n {web} x "))
    assert offered(kfw, f"kfw port-forward -n {web} svc/web ") == ["8080:80", "9090"]
    assert tab(kfw, "kfw up a") == ["api"]
    assert tab(kfw, "kfw down ") == []
    kfw("up", "api")
    assert offered(kfw, "kfw down ") == ["api"]


def test_a_warm_tab_takes_less_than_150_ms_of_processor_time(kfw: Program, web: str) -> None:
    line = f"kfw add -n {web} svc/w"
    assert offered(kfw, line) == ["svc/web"]
    taken = []
    for _ in range(3):
        before = os.times()
        assert tab(kfw, line) == ["svc/web"]
        after = os.times()
        taken.append(
            after.children_user + after.children_system - before.children_user - before.children_system
        )
    assert min(taken) < 0.150


def test_a_cluster_that_does_not_answer_is_silence_long_before_a_request_would_time_out(
    kfw: Program, tmp_path: Path
) -> None:
    """A request has 30 s. The next Tab does not even wait."""
    with talk.listener() as silent:
        text = Path(kfw.kubeconfig).read_text()
        server = next(line for line in text.splitlines() if "server:" in line)
        file = tmp_path / "away"
        file.write_text(text.replace(server, f"    server: http://127.0.0.1:{silent}"))
        began = time.monotonic()
        assert tab(kfw, f"kfw add --kubeconfig {file} svc/") == []
        assert time.monotonic() - began < 20
    assert tab(kfw, f"kfw add --kubeconfig {file} svc/") == []


def test_what_is_kept_is_for_this_user_only_and_broken_files_do_not_matter(
    make_kfw: Make, shared: Place
) -> None:
    kfw = make_kfw(shared.kubeconfig)
    assert tab(kfw, "kfw up --context ") == ["kfw-sandbox"]
    [file] = (kfw.home / "run" / "completion").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    file.write_text("{")
    [tree] = (kfw.home / "cache").iterdir()
    tree.write_text(json.dumps({"of": [], "tree": {}}))
    assert tab(kfw, "kfw up --context ") == ["kfw-sandbox"]


def test_tab_in_bash_completes_targets_and_ports(kfw: Program, web: str, tmp_path: Path) -> None:
    script = tmp_path / "completion.bash"
    script.write_text(kfw("completion", "bash").stdout)
    offered(kfw, f"kfw add -n {web} svc/w")
    env = {**kfw.env, "PATH": f"{KFW.parent}{os.pathsep}{kfw.env['PATH']}", "PS1": "$ ", "TERM": "dumb"}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], env)
    try:
        _typed(terminal, f"source {script}; echo rea''dy\n", "ready")
        assert "svc/web " in _typed(terminal, f"kfw add -n {web} svc/w\t", "svc/web ")
        assert "8080:80 " in _typed(terminal, "80\t", "8080:80 ")
        assert "completion.bash" in _typed(terminal, "\x15kfw up --config completion.b\t", "completion.bash")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def _typed(terminal: int, keys: str, expected: str) -> str:
    """What is on the terminal since, until `expected` is there."""
    os.write(terminal, keys.encode())
    seen, deadline = "", time.monotonic() + 60
    while expected not in seen and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 65536).decode(errors="replace")
    return seen


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_asks_by_the_line(kfw: Program, shell: str) -> None:
    text = kfw("completion", shell).stdout
    assert "_KFW_COMPLETE=lines" in text
    assert f"-eq {FILES}" in text.replace("= 9", "-eq 9")
    assert "tcsh" in kfw("completion", "tcsh", code=2).stderr
