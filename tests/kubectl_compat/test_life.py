"""What kubectl's users see while it runs and when it ends; and what kubectl does not survive."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, namespace, pod, port, service, statefulset
from kfw.sandbox.node.behaviour import PREFIX
from tests.kubectl_compat.programs import KFW, KUBECTL, needs_kubectl, running
from tests.real import talk
from tests.real.running import until
from tests.whole.place import Place

_NUMBERS = count(1)
BOTH = [pytest.param(KUBECTL, marks=needs_kubectl, id="kubectl"), pytest.param(KFW, id="kfw")]

Env = dict[str, str]


@pytest.fixture
def own(cluster: Place) -> Iterator[str]:
    """A namespace of this test alone."""
    name = f"life-{next(_NUMBERS)}"
    cluster.do(lambda sandbox: sandbox.apply(namespace(name)))
    yield name
    cluster.do(lambda sandbox: sandbox.delete("namespaces", "", name))


def get(port: int) -> str:
    """The pod that answers."""
    return talk.pod_behind(port)


@pytest.mark.parametrize("program", BOTH)
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -signal.SIGHUP)],
)
def test_a_signal_ends_it_with_the_code_of_kubectl(
    program: tuple[str, ...], number: int, code: int, env: Env
) -> None:
    with running(program, "-n demo svc/web :80", env) as one:
        one.until(2)
        said = one.end(number)
    assert said.code == code
    assert len(said.out) == 2
    assert not said.err


@pytest.mark.parametrize("program", BOTH)
def test_it_ends_on_int_also_as_a_job_in_the_background_of_a_script(
    program: tuple[str, ...], env: Env, tmp_path: Path
) -> None:
    """Whose shell lets its jobs ignore SIGINT. The file is new: in an old one the line may stand before the job begins,
    and a signal that comes before kfw forwards is ignored, as kubectl ignores it."""
    script = (
        '"$@" > said & pid=$!; until grep -q Forwarding said; do sleep 0.05; done; kill -INT $pid; wait $pid'
    )
    done = subprocess.run(
        ["sh", "-c", script, "sh", *program, "-n", "demo", "svc/web", ":80"],
        env=env,
        cwd=tmp_path,
        timeout=20,
    )
    assert done.returncode == 0


@pytest.mark.parametrize("program", BOTH)
def test_each_connection_is_said(program: tuple[str, ...], env: Env) -> None:
    with running(program, "-n demo svc/web :80", env) as one:
        one.until(2)
        port = one.ports[0]
        assert get(port).startswith("web-")
        assert get(port).startswith("web-")
        assert one.until(4)[2:] == [f"Handling connection for {port}"] * 2
        assert one.end(signal.SIGINT).code == 0


def test_it_goes_on_when_the_pod_of_a_service_is_deleted(cluster: Place, own: str, env: Env) -> None:
    cluster.apply(deployment(own, "api", ports={"http": 8080}), service(own, "api", port(80, "http")))
    with running(KFW, f"-n {own} svc/api :80", env) as one:
        one.until(2)
        first = get(one.ports[0])
        cluster.do(lambda sandbox: sandbox.delete("pods", own, first))
        assert get(one.ports[0]) != first
        assert one.end(signal.SIGINT).code == 0


@needs_kubectl
def test_kubectl_does_not(cluster: Place, own: str, env: Env) -> None:
    """What the test above would be worth without this one."""
    cluster.apply(deployment(own, "api", ports={"http": 8080}), service(own, "api", port(80, "http")))
    with running(KUBECTL, f"-n {own} svc/api :80", env) as one:
        one.until(2)
        name = get(one.ports[0])
        cluster.do(lambda sandbox: sandbox.delete("pods", own, name))
        with pytest.raises(OSError):
            get(one.ports[0])
        assert one.end().code == 1


def test_it_waits_while_a_deployment_has_no_pods(cluster: Place, own: str, env: Env) -> None:
    cluster.apply(deployment(own, "api", ports={"http": 8080}))
    with running(KFW, f"-n {own} deploy/api :http", env) as one:
        one.until(2)
        cluster.do(lambda sandbox: sandbox.scale("deployments", own, "api", 0))
        with socket.create_connection(("127.0.0.1", one.ports[0]), 10) as waiting:
            waiting.sendall(b"GET / HTTP/1.0\r\n\r\n")
            cluster.do(lambda sandbox: sandbox.scale("deployments", own, "api", 1))
            assert waiting.recv(4) == b"HTTP"


def test_a_stateful_sets_pod_is_waited_for(cluster: Place, own: str, env: Env) -> None:
    cluster.apply(statefulset(own, "db", "kfw/greeter", ports={"db": 5432}))
    with running(KFW, f"-n {own} pod/db-0 :db", env) as one:
        one.until(2)
        cluster.do(lambda sandbox: sandbox.delete("pods", own, "db-0"))
        with socket.create_connection(("127.0.0.1", one.ports[0]), 10) as connection:
            assert connection.recv(16) == b"hello from db-0\n"


def test_a_pod_whose_name_never_comes_back_ends_it_as_kubectl(cluster: Place, own: str, env: Env) -> None:
    cluster.apply(deployment(own, "api", ports={"http": 8080}))
    [name] = cluster.pods(own, "api")
    with running(KFW, f"-n {own} pod/{name} :http", env) as one:
        one.until(2)
        cluster.do(lambda sandbox: sandbox.delete("pods", own, name))
        said = one.end()
    assert (said.code, said.err) == (1, ["error: lost connection to pod"])


def test_a_bare_pod_that_is_gone_is_waited_for_as_long_as_for_one_that_does_not_run(
    cluster: Place, own: str, env: Env
) -> None:
    cluster.apply(pod(own, "bare", ports={"http": 8080}))
    with running(KFW, f"-n {own} bare :http --pod-running-timeout 400ms", env) as one:
        one.until(2)
        cluster.do(lambda sandbox: sandbox.delete("pods", own, "bare"))
        said = one.end()
    assert (said.code, said.err) == (1, ["error: lost connection to pod"])


def test_a_bare_pod_that_is_made_anew_goes_on(cluster: Place, own: str, env: Env) -> None:
    cluster.apply(pod(own, "bare", ports={"http": 8080}))
    with running(KFW, f"-n {own} bare :http", env) as one:
        one.until(2)
        cluster.do(lambda sandbox: sandbox.delete("pods", own, "bare"))
        cluster.apply(pod(own, "bare", ports={"http": 8080}))
        assert get(one.ports[0]) == "bare"


def test_a_pending_pod_is_waited_for(cluster: Place, own: str, env: Env) -> None:
    cluster.do(
        lambda sandbox: sandbox.apply(
            pod(own, "slow", ports={"http": 8080}, annotations={PREFIX + "start-after": "1500ms"})
        )
    )
    with running(KFW, f"-n {own} slow :8080", env) as one:
        one.until(2)
        assert get(one.ports[0]) == "slow"
        assert one.end(signal.SIGINT).code == 0


def test_a_pending_pod_is_not_waited_for_for_ever(cluster: Place, own: str, env: Env) -> None:
    cluster.do(
        lambda sandbox: sandbox.apply(
            pod(own, "slow", ports={"http": 8080}, annotations={PREFIX + "start-after": "60s"})
        )
    )
    with running(KFW, f"-n {own} slow :8080 --pod-running-timeout=300ms", env) as one:
        said = one.end()
    assert said.code == 1
    assert said.err == ["error: unable to forward port because pod is not running. Current status=Pending"]


def test_a_new_selector_of_the_service_is_obeyed(cluster: Place, own: str, env: Env) -> None:
    """Blue and green."""
    for colour in ("blue", "green"):
        cluster.apply(deployment(own, colour, ports={"http": 8080}))
    cluster.apply(service(own, "api", port(80, "http"), selector={"app": "blue"}))
    with running(KFW, f"-n {own} svc/api :80", env) as one:
        one.until(2)
        assert get(one.ports[0]).startswith("blue-")
        cluster.apply(service(own, "api", port(80, "http"), selector={"app": "green"}))
        until(lambda: get(one.ports[0]).startswith("green-"), 5, lambda: "green answers")


def test_nobody_needs_to_read_its_stdout(env: Env) -> None:
    """Python's subprocess.PIPE read for the port only: kubectl's connections stop when the pipe is full."""
    with running(KFW, "-n demo svc/web :80 --address 127.0.0.1", env) as one:
        one.until(1)
        port = one.ports[0]
        for _ in range(2500):  # 75 kB of "Handling connection"
            socket.create_connection(("127.0.0.1", port), 10).close()
        assert get(port).startswith("web-")


def test_a_reader_that_left_does_not_end_it(env: Env) -> None:
    with running(KFW, "-n demo svc/web :80", env) as one:
        one.until(2)
        assert one.process.stdout
        one.process.stdout.close()
        assert get(one.ports[0]).startswith("web-")
        assert get(one.ports[0]).startswith("web-")
        one.process.stdout = None
        assert one.end(signal.SIGINT).code == 0


def test_closed_output_is_no_trouble(env: Env, free_port: int) -> None:
    """`kfw port-forward ... >&- 2>&-`: the numbers of these files go to sockets, which must not get its words."""
    line = f'exec "$@" -n demo svc/web {free_port}:80 >&- 2>&-'
    process = subprocess.Popen(["sh", "-c", line, "sh", *KFW], env=env)
    try:
        until(lambda: _listens(free_port), 10, lambda: "it listens")
        assert get(free_port).startswith("web-")
    finally:
        process.kill()
        process.wait()


def test_a_port_where_nothing_listens_is_said_and_the_others_go_on(env: Env) -> None:
    with running(KFW, "-n demo single :7777 :8080", env) as one:
        one.until(4)
        silent, good = one.ports
        with socket.create_connection(("127.0.0.1", silent), 10):
            assert get(good) == "single"
        assert get(good) == "single"


def test_the_plugin_of_kubectl_is_kfw(env: Env, tmp_path: Path) -> None:
    plugin = tmp_path / "kubectl-kfw"
    plugin.symlink_to(KFW[0])
    found = {**env, "PATH": f"{tmp_path}{os.pathsep}{env['PATH']}"}
    if not any((Path(folder) / "kubectl").exists() for folder in env["PATH"].split(os.pathsep)):
        pytest.skip("kubectl is not on PATH")
    with running(("kubectl", "kfw", "port-forward"), "-n demo svc/web :80", found) as one:
        one.until(2)
        assert get(one.ports[0]).startswith("web-")
        assert one.end(signal.SIGINT).code == 0


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
