"""The stages in their order, and what each verb of `kfw bootstrap` does of them."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from kfw import paths
from kfw.engine import kind
from kfw.engine.reachability import Here
from kfw.errors import ClusterUnreachable, DaemonNotRunning, KfwError, UsageError
from kfw.quickstart import checks, engine_checks, forwarding, kind_cluster, platform, releases, releasing
from kfw.quickstart.checks import Finding
from kfw.quickstart.kind_cluster import BootstrapCluster
from kfw.quickstart.options import BootstrapOptions, Where
from kfw.quickstart.releases import Release
from kfw.quickstart.releasing import Fetch
from kfw.quickstart.steps import Steps
from kfw.system import tools
from kfw.system.files import make_private_dir, write_atomic
from kfw.system.own_container import in_container

#: Seconds that the API gets where it is not known which container this is: it answers at once or not at all.
_LOST = 5.0
#: Exit codes of `kfw up` after which there is nothing to talk to: bad config, no daemon, no cluster, interrupted.
_NOTHING_IS_UP = (UsageError.exit_code, DaemonNotRunning.exit_code, ClusterUnreachable.exit_code, 130)


def look_around() -> Here:
    return Here(sys.platform, in_container(), os.environ)


@dataclass
class Bootstrap:
    """One run. `clock` and `sleep` in seconds."""

    steps: Steps
    options: BootstrapOptions
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    here: Here = field(default_factory=look_around)
    fetch: Fetch = releasing.fetched

    @cached_property
    def provider(self) -> str:
        """The tool that runs kind's nodes."""
        there = [tool for tool in ("docker", "podman", "nerdctl") if tools.missing(tool) is None]
        return kind.provider(self.env, there)

    @cached_property
    def why_no_platform(self) -> str | None:
        """Asked once: it may ask the user."""
        return platform.why_no_helm(self.steps, self.options, self.env)

    def obstacle(self) -> Finding | None:
        """What keeps us from a kind cluster; None: nothing."""
        return checks.first_error(
            checks.in_order(engine_checks.kind_checks(self.steps.ask, self.env, provider=self.provider))
        )

    def pick(self) -> BootstrapCluster:
        """A cluster whose API answers. Raises KfwError."""
        if self.options.where is Where.SANDBOX:
            return self.sandbox("--sandbox was given")
        if why := self.obstacle():
            if self.options.where is Where.KIND or (self.options.skip_kind and not self._sandbox_runs()):
                raise checks.as_error(why)
            return self.sandbox(f"{why.what}; {why.fix}" if why.fix else why.what)
        return self.kind()

    def kind(self) -> BootstrapCluster:
        """The kind cluster: there, started, its kubeconfig written, its API answering. Raises KfwError."""
        kind_cluster.ensure(
            self.steps, self.options, self.here, self.provider, lambda: self.why_no_platform is None
        )
        attached, lost = self._attached()
        found = kind_cluster.export(self.steps, self.options, self.here, internal=attached)
        kind_cluster.check_worker(self.steps, self.options, self.provider)
        patience = kind_cluster.API if lost is None else _LOST
        try:
            kind_cluster.wait_for_api(self.steps, found, patience, self.clock, self.sleep)
        except ClusterUnreachable as unreachable:
            raise lost or unreachable from unreachable
        return found

    def _attached(self) -> tuple[bool, KfwError | None]:
        """Whether nodes' names can be used; and why that is not known. A machine that was made from an image of a container
        bears a container's mark, too, and uses what is published on it."""
        if not self.here.in_container:
            return False, None
        try:
            return kind_cluster.attach(self.steps, self.here, self.provider), None
        except KfwError as error:
            return False, error

    def sandbox(self, why: str) -> BootstrapCluster:
        """Started unless it runs."""
        self.steps.say(f"cluster: the embedded sandbox, because {why}")
        directory = paths.sandbox_dir()
        if self.steps.dry:
            self.steps.ourselves(["sandbox", "start"])
        else:
            from kfw.sandbox import process

            _, started = process.start(directory)
            if started:
                make_private_dir(self.options.folder)
                write_atomic(self.options.made_sandbox, b"started by kfw bootstrap\n")
        return BootstrapCluster(directory / "kubeconfig", "kfw-sandbox")

    def _sandbox_runs(self) -> bool:
        from kfw.sandbox import process

        return process.running(paths.sandbox_dir()) is not None

    def platform(self, found: BootstrapCluster) -> None:
        """What is missing of the services. Nothing in the sandbox, which has its own. Raises KfwError."""
        if not found.name:
            return
        if not platform.missing_services(self.steps, self.options, found):
            self.steps.say("platform: all services are installed")
        elif self.why_no_platform is None:
            platform.install(self.steps, self.options, found, self.env, self.fetch)
        else:
            platform.apply_stand_ins(self.steps, self.options, found, self.why_no_platform)

    def release(self, found: BootstrapCluster, wanted: Release) -> None:
        """One release of helm. Raises KfwError."""
        there = releases.installed(self.steps.ask(releases.list_all(found)).out)
        key = (wanted.namespace, wanted.name)
        releasing.ensure(self.steps, wanted, found, there.get(key), self.options.values)

    def forwards(self, found: BootstrapCluster, *, foreground: bool = False) -> int:
        """The exit code of `kfw up`, else of `kfw verify`. A forward that cannot be had leaves the others to be verified."""
        forwarding.write_overlay(self.steps, self.options, self.env.get("KFW_ADDRESS", ""))
        code = forwarding.up(self.steps, self.options, found, foreground=foreground)
        if foreground or code in _NOTHING_IS_UP:
            return code
        verified = forwarding.verify(self.steps, self.options)
        return code or verified

    def closing_words(self, found: BootstrapCluster) -> None:
        """What comes next; with --verbose also what runs in the cluster."""
        if self.steps.verbose and found.name:
            spaces = dict.fromkeys(
                forwarding.namespace_of(one, self.options) for one in forwarding.wanted(self.options).values()
            )
            for space in spaces:
                self.steps.say(
                    self.steps.ask(found.kubectl("get", "pods", "--namespace", space)).out.rstrip()
                )
        stop, remove = (
            ("kfw bootstrap stop", "kfw bootstrap uninstall")
            if shutil.which("kfw")
            else ("quick-start/stop-port-forward.sh", "quick-start/uninstall.sh")
        )
        self.steps.say(f"to end the forwards: {stop}; to remove it all: {remove}")

    def attach(self) -> None:
        """Only the container's own part: kind's network, if there is one already. Raises KfwError."""
        if not self.here.in_container:
            raise KfwError("this is not a container", "KFW_IN_CONTAINER=1 says that it is one")
        if kind_cluster.network_exists(self.steps, self.here, self.provider):
            kind_cluster.attach(self.steps, self.here, self.provider)
        else:
            self.steps.say(f"container: the network {kind.network(self.env)} does not exist yet")
