"""Each fix that names a key of a config is said to who typed `kfw add` in words that can be typed."""

import re
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kfw.errors import KfwError
from kfw.model import Forward, Problem, Reason, Target, problem_of
from kfw.protocol import ADDED
from kfw.supervisor.fixes import fix_for, sentence
from kfw.system import local_ports
from kfw.target.objects import ServicePort
from kfw.target.resolve import resolve
from tests.target.build import pod, service, world

_KEYS = re.compile(r"\b(localPort|targetPort|onPortInUse|readiness:|method:)")
IN_FILE = Forward("web", Target.parse("svc/multi"), None, 8080, source="/work/kfw.yaml")
TYPED = replace(IN_FILE, source=ADDED)


def _problems() -> Iterator[tuple[str, Problem, str]]:
    """From where they are made: what it is, the problem, and what can be typed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(KfwError) as error:
            local_ports.bind(["127.0.0.1"], taken.getsockname()[1])
        yield (
            "a port in use",
            problem_of(error.value),
            "free it, choose another local port, or add --next-port",
        )
    low = Problem(Reason.NOT_PERMITTED, "low", local_ports._low_port_fix(80))
    yield "a low port", low, "choose a local port of 1024 or higher"
    ports = (ServicePort(number=8080, name="http"), ServicePort(number=9000))
    several = resolve(IN_FILE.target, None, world(services=[service(*ports, name="multi")])).problem
    assert several
    yield "several ports", several, "try `kfw add web service/multi 8080`; its ports: 8080 (http), 9000"
    none = resolve(Target.parse("pod/x"), None, world(pods=[pod("x", ports=())])).problem
    assert none
    yield "no port", none, "type the number of the port, `kfw add web service/multi 8080`"
    unready = resolve(Target.parse("pod/x"), 80, world(pods=[pod("x", ready=False)])).problem
    assert unready
    yield "not ready", unready, "add --readiness running to forward to it anyway"


def test_what_a_file_would_say_is_said_as_it_is_typed() -> None:
    for what, problem, typed in _problems():
        assert _KEYS.search(problem.fix), f"{what}: nobody has to change {problem.fix}"
        assert sentence(IN_FILE, problem) == f"{problem.message}; {problem.fix}"
        said = sentence(TYPED, problem)
        assert typed in said, what
        assert not _KEYS.search(said), said


def test_another_method_is_an_option() -> None:
    assert fix_for(TYPED, "could be used: set method: socat") == (
        "could be used: `kfw add web service/multi --method socat`"
    )


def test_labels_in_a_target_are_no_template() -> None:
    odd = replace(TYPED, target=Target.parse(r"pods/a=b"), name="x")
    assert fix_for(odd, "set targetPort to one of 80") == "try `kfw add x pods/a=b 80`; its ports: 80"
    assert sentence(TYPED, None) == ""
