"""The kubectl method with a stub of kubectl (tests/stubs); tests/real/test_children.py does it with the real one."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from kfw.errors import KfwError, TimedOut, ToolMissing
from kfw.methods import kubectl
from kfw.methods.base import OpenRequest
from kfw.methods.kubectl import Kubectl, KubectlTunnel, argv, environment
from kfw.model import Endpoint, Health, Reason
from kfw.relay.dialer import DialFailed
from kfw.system.ledger import Ledger
from kfw.system.process import Children
from kfw.system.process_identity import look
from tests.fakes import forward, pod
from tests.methods.test_kubectl_messages import LOST, REFUSED, RESET
from tests.stopwatch import Stopwatch, soon
from tests.stubs import FOREVER, Stubs, eventually

SAYS_PORT = {"out": "Forwarding from 127.0.0.1:{port} -> 8080"}
#: A kubectl that works.
ECHOES = ({"listen": 0}, {"serve": "echo"}, SAYS_PORT)

Open = Callable[..., Awaitable[KubectlTunnel]]


@pytest_asyncio.fixture
async def opened(children: Children, stubs: Stubs) -> AsyncIterator[Open]:
    tunnels: list[KubectlTunnel] = []

    async def one(*pods: Endpoint, **changes: object) -> KubectlTunnel:
        way = OpenRequest(forward(**{"health": Health(timeout=2.0), **changes}), pods or (pod("web-1"),))  # type: ignore[arg-type]
        tunnels.append(await Kubectl(children).open(way))
        return tunnels[-1]

    yield one
    for tunnel in tunnels:
        await tunnel.close()


class Heard(asyncio.Protocol):
    def __init__(self) -> None:
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data


@pytest.mark.asyncio
async def test_kubectl_runs_in_the_environment_of_whoever_wants_the_forward(children: Children, stubs: Stubs):
    stubs.script("kubectl", *ECHOES, FOREVER)
    environ = {**os.environ, "AWS_PROFILE": "dev", "HTTPS_PROXY": "http://gate:1"}
    way = OpenRequest(
        forward(health=Health(timeout=2.0), kubeconfig=("/a", "/b")), (pod("web-1"),), environ=environ
    )
    tunnel = await Kubectl(children).open(way)
    await tunnel.close()
    [call] = stubs.calls("kubectl")
    assert {name: call.env[name] for name in ("AWS_PROFILE", "HTTPS_PROXY", "KUBECONFIG")} == {
        "AWS_PROFILE": "dev",
        "HTTPS_PROXY": "http://gate:1",
        "KUBECONFIG": "/a:/b",
    }


# -- the command line


def test_KB13_the_command_line_names_files_context_and_namespace():
    wanted = forward(context="kind-dev", namespace="shop", kubeconfig=("/home/u/.kube/config",))
    assert argv(wanted, pod("web-1", 8080)) == [
        "kubectl",
        "--kubeconfig",
        "/home/u/.kube/config",
        "--context",
        "kind-dev",
        "-n",
        "shop",
        "port-forward",
        "--address",
        "127.0.0.1",
        "pod/web-1",
        ":8080",
    ]


def test_several_files_go_into_the_environment_in_their_order():
    wanted = forward(kubeconfig=("/a", "/b"))
    assert "--kubeconfig" not in argv(wanted, pod("web-1"))
    assert environment(wanted.kubeconfig) == {"KUBECONFIG": "/a:/b"}
    assert environment(()) == {}


# -- open


@pytest.mark.asyncio
async def test_it_dials_the_private_port_that_kubectl_names(opened: Open, stubs: Stubs):
    stubs.script("kubectl", *ECHOES, FOREVER)
    tunnel = await opened(kubeconfig=("/a",), context="kind-dev", namespace="shop")
    assert tunnel.dialer
    heard = Heard()
    transport = await tunnel.dialer.dial(lambda: heard)
    transport.write(b"hello")
    await eventually(lambda: heard.data == b"hello")
    transport.close()
    call = stubs.calls("kubectl")[0]
    assert call.argv[:6] == ["--kubeconfig", "/a", "--context", "kind-dev", "-n", "shop"]
    assert call.env["KUBECONFIG"] == "/a"
    assert tunnel.pid == call.pid
    assert tunnel.endpoint == pod("web-1")
    await tunnel.probe()


@pytest.mark.asyncio
async def test_A2_a_pod_that_is_not_there_is_told_in_kubectls_words_at_once(
    opened: Open, stubs: Stubs, ledger: Ledger
):
    stubs.script("kubectl", {"err": 'Error from server (NotFound): pods "web-1" not found'}, {"exit": 1})
    before = time.monotonic()
    with pytest.raises(
        KfwError, match=r'^kubectl: Error from server .NotFound.: pods "web-1" not found$'
    ) as error:
        await opened()
    assert time.monotonic() - before < 5  # all time-outs are longer
    assert error.value.reason == "endpoint-gone"
    assert ledger.entries() == []


@pytest.mark.asyncio
async def test_KB4_an_end_that_is_not_understood_comes_with_its_last_line(opened: Open, stubs: Stubs):
    stubs.script("kubectl", {"err": "panic: odd"}, {"exit": 2})
    with pytest.raises(KfwError, match=r"^kubectl exited with code 2; kubectl: panic: odd$") as error:
        await opened()
    assert error.value.reason == "child-exited"


@pytest.mark.asyncio
async def test_the_next_pod_is_tried_when_the_first_is_gone(opened: Open, stubs: Stubs):
    gone = {"err": 'Error from server (NotFound): pods "web-1" not found'}
    stubs.script("kubectl", {"wait_for": "the next script"}, gone, {"exit": 1})
    opening = asyncio.ensure_future(opened(pod("web-1"), pod("web-2")))
    await eventually(lambda: stubs.calls("kubectl"))
    stubs.script("kubectl", *ECHOES, FOREVER)
    stubs.go("the next script")
    tunnel = await opening
    assert tunnel.endpoint == pod("web-2")
    assert [call.argv[-2] for call in stubs.calls("kubectl")] == ["pod/web-1", "pod/web-2"]


@pytest.mark.asyncio
async def test_a_login_that_has_run_out_is_not_tried_on_every_pod(opened: Open, stubs: Stubs):
    stubs.script("kubectl", {"err": "error: You must be logged in to the server (Unauthorized)"}, {"exit": 1})
    with pytest.raises(KfwError) as error:
        await opened(pod("web-1"), pod("web-2"))
    assert error.value.reason == "login-expired"
    assert len(stubs.calls("kubectl")) == 1


@pytest.mark.asyncio
async def test_A37_a_closed_container_port_is_refused_by_the_app_and_never_active(
    opened: Open, stubs: Stubs, ledger: Ledger
):
    """As kubectl 1.32 does it: it listens, accepts, closes, says why, and ends."""
    closes = ({"listen": 0}, {"serve": "close"}, SAYS_PORT, {"sleep": 0.1}, {"err": REFUSED}, {"err": LOST})
    stubs.script("kubectl", *closes, {"exit": 1})
    with pytest.raises(
        KfwError, match=r"^kubectl: failed to connect to localhost:7777 inside .* refused$"
    ) as error:
        await opened()
    assert error.value.reason == "app-refuses"
    assert ledger.entries() == []


@pytest.mark.asyncio
async def test_a_kubectl_that_names_no_port_is_given_up_and_ended(
    opened: Open, stubs: Stubs, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kubectl, "START_SECONDS", 0.15)
    stubs.script("kubectl", {"err": "To sign in, open https://login"}, FOREVER)
    with pytest.raises(TimedOut, match=r"kubectl named no port within 0.15 s"):
        await opened()
    assert ledger.entries() == []


@pytest.mark.asyncio
async def test_a_stop_during_the_start_leaves_nothing(opened: Open, stubs: Stubs, ledger: Ledger):
    stubs.script("kubectl", FOREVER)
    opening = asyncio.ensure_future(opened())
    await eventually(lambda: stubs.calls("kubectl"))
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert look(stubs.calls("kubectl")[0].pid) is None
    assert ledger.entries() == []


@pytest.mark.asyncio
async def test_a_missing_kubectl_comes_with_its_install_line(
    opened: Open, children: Children, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = Kubectl(children).missing()
    assert missing
    assert missing.fix
    with pytest.raises(ToolMissing, match="cannot find kubectl on PATH"):
        await opened()


# -- while it is open


@pytest.mark.asyncio
async def test_A6_a_killed_kubectl_is_noticed_at_once(opened: Open, stubs: Stubs):
    stubs.script("kubectl", *ECHOES, FOREVER)
    tunnel = await opened()
    watch = Stopwatch()
    os.kill(tunnel.pid or 0, signal.SIGKILL)
    problem = await soon(tunnel.broken(), 10)
    assert watch.seconds() < 0.5
    assert problem.reason is Reason.CHILD_EXITED
    assert problem.message == "kubectl was killed by SIGKILL"
    assert tunnel.dialer
    with pytest.raises(DialFailed) as failed:
        await tunnel.dialer.dial(Heard)
    assert failed.value.safe


@pytest.mark.asyncio
async def test_its_last_words_say_why_it_ended(opened: Open, stubs: Stubs):
    stubs.script("kubectl", *ECHOES, {"wait_for": "end"}, {"err": RESET}, {"err": LOST}, {"exit": 1})
    tunnel = await opened()
    waiting = asyncio.ensure_future(tunnel.broken())
    stubs.go("end")
    problem = await soon(waiting, 2)
    assert problem.message.startswith("kubectl exited with code 1: ")
    assert problem.message.endswith("read: connection reset by peer")


@pytest.mark.asyncio
async def test_a_line_that_says_that_nothing_goes_through_breaks_it_although_kubectl_lives(
    opened: Open, stubs: Stubs
):
    stubs.script("kubectl", *ECHOES, {"wait_for": "end"}, {"err": REFUSED}, FOREVER)
    tunnel = await opened()
    waiting = asyncio.ensure_future(tunnel.broken())
    stubs.go("end")
    problem = await soon(waiting, 2)
    assert problem.reason is Reason.APP_REFUSES
    assert "connection refused" in problem.message


@pytest.mark.asyncio
async def test_a_reset_of_one_connection_does_not_break_a_kubectl_that_lives_on(
    opened: Open, stubs: Stubs, caplog: pytest.LogCaptureFixture
):
    stubs.script("kubectl", *ECHOES, {"wait_for": "end"}, {"err": RESET}, FOREVER)
    tunnel = await opened()
    stubs.go("end")
    await eventually(lambda: "reset by peer" in caplog.text)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(tunnel.broken(), 0.05)
    await tunnel.probe()


@pytest.mark.asyncio
async def test_its_stderr_is_in_the_log_and_its_chatter_only_at_debug(
    opened: Open, stubs: Stubs, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG, "kfw.forward")
    stubs.script("kubectl", *ECHOES, {"err": "warning: odd"}, {"out": "Handling connection for 4"}, FOREVER)
    await opened(name="api")
    await eventually(lambda: "Handling" in caplog.text)
    said = {record.message: record.levelname for record in caplog.records if record.name == "kfw.forward"}
    assert said["api: kubectl stderr: warning: odd"] == "WARNING"
    assert said["api: kubectl stdout: Handling connection for 4"] == "DEBUG"


@pytest.mark.asyncio
async def test_NFR_REL_01_crashes_in_a_row_leave_nothing(opened: Open, stubs: Stubs, ledger: Ledger):
    stubs.script("kubectl", {"err": "no"}, {"exit": 1})
    for _ in range(8):
        with pytest.raises(KfwError, match=r"kubectl: no"):
            await opened()
    assert ledger.entries() == []
    assert len(stubs.calls("kubectl")) == 8


# -- close


@pytest.mark.asyncio
async def test_close_ends_kubectl_and_twice_is_harmless(opened: Open, stubs: Stubs, ledger: Ledger):
    stubs.script("kubectl", *ECHOES, FOREVER)
    tunnel = await opened()
    await tunnel.close()
    await tunnel.close()
    assert look(tunnel.pid or 0) is None
    assert ledger.entries() == []


@pytest.mark.asyncio
async def test_a_kubectl_that_ignores_TERM_is_killed(
    opened: Open, stubs: Stubs, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kubectl, "_GRACE", 0.1)
    stubs.script("kubectl", {"ignore": "TERM"}, *ECHOES, FOREVER)
    tunnel = await opened()
    watch = Stopwatch()
    await tunnel.close()
    assert watch.seconds() < 1
    assert look(tunnel.pid or 0) is None


# -- refused by the app

CLOSES = ({"listen": 0}, {"serve": "close"}, SAYS_PORT, {"sleep": 0.1}, {"err": REFUSED}, {"err": LOST})
MISSING = {"err": 'Error from server (NotFound): pods "web-2" not found'}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("second", "reason"),
    [(ECHOES, ""), ((*CLOSES, {"exit": 1}), "app-refuses"), ((MISSING, {"exit": 1}), "endpoint-gone")],
)
async def test_that_an_app_refuses_is_the_answer_only_if_each_pod_says_so(
    opened: Open, stubs: Stubs, second: Sequence[object], reason: str
):
    stubs.script("kubectl", {"wait_for": "the next script"}, *CLOSES, {"exit": 1})
    opening = asyncio.ensure_future(opened(pod("web-1"), pod("web-2")))
    await eventually(lambda: stubs.calls("kubectl"))
    stubs.script("kubectl", *second, FOREVER)
    stubs.go("the next script")
    if not reason:
        assert (await opening).endpoint == pod("web-2")
        return
    with pytest.raises(KfwError) as error:
        await opening
    assert error.value.reason == reason
