"""One release brought about by helm: installed or upgraded, waited for, registered, patched. Harmless to run again."""

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

from kfw.errors import KfwError, TimedOut, ToolMissing
from kfw.quickstart import releases
from kfw.quickstart.kind_cluster import BootstrapCluster
from kfw.quickstart.releases import Installed, Patch, Release, Wait
from kfw.quickstart.steps import Steps
from kfw.system.files import write_atomic

#: fetch(url, seconds) -> contents. Raises OSError.
Fetch = Callable[[str, float], bytes]

#: Seconds that helm and kubectl get beyond the time limits that they were given.
_BEYOND = 60.0
_FETCH = 30.0
_LAST_LINES = 50
_LAST_EVENTS = 20


def fetched(url: str, seconds: float) -> bytes:
    import urllib.request

    with urllib.request.urlopen(url, timeout=seconds) as reply:
        return bytes(reply.read())


def ensure(
    steps: Steps,
    release: Release,
    cluster: BootstrapCluster,
    found: Installed | None,
    values: Iterable[Path] = (),
    fetch: Fetch = fetched,
) -> None:
    """Nothing when it is there in its version. Raises KfwError after having shown what is worth seeing."""
    if releases.is_there(release, found):
        steps.say(f"platform: {release.name} {release.version} is installed")
        return
    if found and found.pending:
        steps.must(
            releases.take_back(release, found, cluster), f"cannot roll back {release.name}", timeout=300.0
        )
    steps.say(f"platform: {release.name} {release.version}, at most {release.timeout // 60} minutes")
    line = releases.upgrade(release, cluster, [str(file) for file in values])
    answer = steps.do(line, timeout=release.timeout + _BEYOND)
    if not answer.ok:
        raise _failed(steps, release, cluster, answer.err or answer.out, line)
    for wait in release.until:
        _wait(steps, release, cluster, wait)
    if release.register:
        _register(steps, release, cluster, fetch)
    for patch in release.patches:
        _patch(steps, patch, cluster)


def _wait(steps: Steps, release: Release, cluster: BootstrapCluster, wait: Wait) -> None:
    line = releases.until(wait, release.namespace, cluster)
    answer = steps.do(line, timeout=wait.timeout + _BEYOND)
    if answer.ok:
        return
    if not wait.optional:
        raise _failed(steps, release, cluster, answer.words, line)
    steps.say(f"platform: {release.name} is not completely ready yet: {answer.words}")


def _register(steps: Steps, release: Release, cluster: BootstrapCluster, fetch: Fetch) -> None:
    """OpenChoreo's own script, which makes a plane known. It takes the current context of $KUBECONFIG, so it gets ours."""
    script = cluster.kubeconfig.parent / f"register-{release.name}.sh"
    try:
        if not steps.dry:
            write_atomic(script, fetch(release.register, _FETCH))
        answer = steps.do(["env", f"KUBECONFIG={cluster.kubeconfig}", "bash", str(script)], timeout=120.0)
    except (KfwError, OSError) as error:
        steps.say(f"platform: {release.name} is not registered: {error}")
        return
    if not answer.ok:
        steps.say(f"platform: {release.name} is not registered: {answer.words}")


def _patch(steps: Steps, patch: Patch, cluster: BootstrapCluster) -> None:
    """What fails here is a warning: the services work without it."""
    what = f"{patch.kind}/{patch.name}"
    there = steps.ask(releases.get(patch, cluster))
    if not there.ok:
        steps.say(f"platform: {what} does not exist, so it is not patched: {there.words}")
    elif not (patch.unless and patch.unless in there.out):
        answer = steps.do(releases.apply(patch, cluster), timeout=60.0)
        if not answer.ok:
            steps.say(f"platform: {what} is not patched: {answer.words}")


def _failed(
    steps: Steps, release: Release, cluster: BootstrapCluster, said: str, line: Iterable[str]
) -> KfwError:
    """Shows helm's last lines, the release, its pods and the last events; the fix is the line to try again."""
    steps.say("\n".join(said.splitlines()[-_LAST_LINES:]))
    for question in releases.autopsy(release, cluster):
        steps.say(f"$ {shlex.join(question)}")
        steps.say("\n".join(_answer(steps, question).splitlines()[-_LAST_EVENTS:]))
    last = (said.strip().splitlines() or ["it printed nothing"])[-1]
    return KfwError(f"{release.name} is not installed: {last}", shlex.join(line))


def _answer(steps: Steps, question: list[str]) -> str:
    try:
        answer = steps.ask(question)
    except (TimedOut, ToolMissing) as error:
        return error.what
    return answer.out or answer.err
