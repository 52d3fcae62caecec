"""kubectl: a supervised `kubectl port-forward` on a private port behind kfw's listener. Where only kubectl can log in.

Limits, all kubectl's own: one refused or reset connection ends it (it is started again); the far side's end arrives 1 s
late and half-close loses answers; it closes connections that the app has not closed; and when its pod goes away or the
way to it is silent it listens on and hangs, for it accepts whatever is behind it. The watch on the endpoints notices the
first; a probe notices both, as the container runtime ends each connection 1 s after us, and kubectl passes that on.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Literal

from kfw.errors import KfwError, Shortage, TimedOut
from kfw.methods.base import Examination, OpenRequest
from kfw.methods.kubectl_messages import FORWARDING, trouble, verdict, words
from kfw.methods.probe import Connect, Prober, Unanswered, error_of
from kfw.methods.supervised import TO_SAY_WHY, ended, first, logged, stopped
from kfw.model import Endpoint, Forward, Problem, Reason
from kfw.names import RowName
from kfw.relay.dialer import Dialer, TcpDialer
from kfw.system import tools
from kfw.system.process import Child, Children

#: Seconds until kubectl must have named its port. It may have to log in first.
START_SECONDS = 30.0
#: So many pods are tried before the first one's error is the answer.
PODS = 3
#: As many connections are made at once to see whether they are answered.
EXAMINED = 4
#: Seconds that a kubectl which was told to end gets; it needs none.
_GRACE = 2.0


class Kubectl:
    name = "kubectl"
    wants: Literal["pod", "node"] = "pod"
    owns_port = False
    logs_in = True

    def __init__(self, children: Children) -> None:
        self._children = children

    def missing(self, environ: Mapping[str, str] | None = None) -> KfwError | None:
        return tools.missing("kubectl", environ)

    async def open(self, request: OpenRequest) -> "KubectlTunnel":
        """Raises KfwError with kubectl's own words; the reason is what they mean."""
        errors: list[KfwError] = []
        for pod in request.endpoints[:PODS]:
            try:
                return await self._open(request, pod)
            except KfwError as error:
                if isinstance(error, Shortage):
                    raise
                errors.append(error)
                if not error.reason.traits.of_one_pod:
                    break
        # That an app refuses is the answer only if it is each pod's.
        raise next((error for error in errors if error.reason != Reason.APP_REFUSES), errors[0])

    async def _open(self, request: OpenRequest, pod: Endpoint) -> "KubectlTunnel":
        forward = request.forward
        ear = Ear(request.name)
        env = environment(forward.kubeconfig)
        child = await self._children.start(
            argv(forward, pod), label=str(request.name), env=env, base=request.environ, on_line=ear
        )
        try:
            port = await _private_port(child, ear)
            tunnel = KubectlTunnel(
                pod,
                child,
                ear,
                PrivatePort(port, child),
                Prober(forward.health, request.eof_behaviour, request.environ),
            )
            await tunnel.probe()
        except BaseException:
            await child.stop(_GRACE)
            raise
        return tunnel


class Ear:
    """Hears the private port and the first line that says that nothing goes through; logs the rest."""

    def __init__(self, name: str | RowName) -> None:
        loop = asyncio.get_running_loop()
        self.port: asyncio.Future[int] = loop.create_future()
        self.trouble: asyncio.Future[Problem] = loop.create_future()
        self._log = logged(name, "kubectl", _level)

    def __call__(self, stream: str, line: str) -> None:
        self._log(stream, line)
        if stream == "stdout":
            self._heard_port(line)
        elif (problem := trouble(line)) and not self.trouble.done():
            self.trouble.set_result(problem)

    def _heard_port(self, line: str) -> None:
        found = FORWARDING.match(line)
        if found and not self.port.done():
            self.port.set_result(int(found[1]))


class PrivatePort(TcpDialer):
    """See relay.dialer.ClosesByItself: kubectl tells its errors by a close."""

    def __init__(self, port: int, child: Child) -> None:
        super().__init__("127.0.0.1", port)
        self._child = child

    @property
    def over_at(self) -> float | None:
        return self._child.ended_at


class KubectlTunnel:
    def __init__(
        self,
        pod: Endpoint,
        child: Child,
        ear: Ear,
        dialer: PrivatePort,
        prober: Prober,
    ) -> None:
        self.endpoint = pod
        self.pid: int | None = child.pid
        self.dialer: Dialer | None = dialer
        self._dial = dialer.dial
        self._child = child
        self._ear = ear
        self._prober = prober

    @property
    def warning(self) -> str:
        return self._child.warning

    @property
    def stands(self) -> bool:
        return self._child.stopped

    def retarget(self, endpoints: tuple[Endpoint, ...]) -> bool:
        return self.endpoint in endpoints

    async def broken(self) -> Problem:
        """kubectl's end, or a line of it that says that nothing goes through any more, whichever is first."""
        child, said = self._child, self._ear.trouble
        await first(child.over, said)
        return said.result() if said.done() else ended(child, words(child.last_words()))

    async def probe(self) -> None:
        """That it stands. Raises KfwError: kubectl's words if it has any, else what the probe saw."""
        await self._ask(self._prober.probe)

    async def examine(self, *, soon: bool) -> Examination:
        """To the pod's container runtime and back, where a patient look is one connection."""
        prove = partial(self._ask, partial(self._prober.prove, soon=soon))
        found = await asyncio.gather(*(error_of(prove()) for _ in range(EXAMINED if soon else 1)))
        return Examination(tuple(found), f"kubectl to {self.endpoint}")

    async def _ask(self, question: Callable[[Connect], Awaitable[None]]) -> None:
        if error := stopped(self._child):
            raise error
        try:
            await question(self._dial)
        except (Unanswered, Shortage):
            raise  # kubectl has nothing to say of silence
        except KfwError as error:
            await first(self._child.over, self._ear.trouble, seconds=TO_SAY_WHY)
            raise _failure(self._child, error) from error

    async def close(self) -> None:
        self._prober.close()
        await self._child.stop(_GRACE)


async def _private_port(child: Child, ear: Ear) -> int:
    await first(child.over, ear.port, seconds=START_SECONDS)
    if ear.port.done():
        return ear.port.result()
    if not child.over.done():
        raise TimedOut(f"kubectl named no port within {START_SECONDS:g} s", words(child.last_words()))
    raise _failure(child, KfwError(child.how_it_ended(), reason=Reason.CHILD_EXITED))


def _failure(child: Child, error: KfwError) -> KfwError:
    if problem := verdict(child.last_words()):
        return KfwError(problem.message, problem.fix, reason=problem.reason)
    said = words(child.last_words())
    return KfwError(f"{error.what}; kubectl: {said}" if said else error.what, reason=error.reason)


def argv(forward: Forward, pod: Endpoint) -> list[str]:
    """Context and files are named, so the user's current context has no say in it."""
    one_file = ["--kubeconfig", *forward.kubeconfig] if len(forward.kubeconfig) == 1 else []
    where = ["--context", forward.context, "-n", forward.namespace]
    to = (f"pod/{pod.name}", f":{pod.port}") if pod.kind == "pod" else (pod.name, f":{forward.target_port}")
    what = ["port-forward", "--address", "127.0.0.1", *to]
    return ["kubectl", *one_file, *where, *what]


def environment(kubeconfig: Sequence[str]) -> dict[str, str]:
    return {"KUBECONFIG": os.pathsep.join(kubeconfig)} if kubeconfig else {}


def _level(stream: str, line: str) -> int:
    return logging.DEBUG if stream == "stdout" else logging.WARNING
