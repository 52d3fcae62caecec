"""The clusters of tests.real.scene: what can be done to them is the same for the rig's and for embedded ones."""

import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kfw.sandbox.manifests import default_set
from tests.real import rig as rigs
from tests.whole.place import Place, place
from tests.whole.program import Entry

#: What is forwarded in each cluster: the rig's demo and the sandbox both have it.
FORWARDS: Mapping[str, Entry] = {
    "web": {"target": "service/web", "targetPort": 80, "namespace": "demo", "method": "tunnel"},
    "pods": {"target": "deployment/web", "targetPort": "http", "namespace": "demo", "method": "tunnel"},
    "node": {"target": "service/web", "targetPort": 80, "namespace": "demo"},
    "console": {"target": "service/amp-console", "targetPort": 3000, "namespace": "wso2-amp", "method": "tunnel"},
    "api": {"target": "service/amp-api", "targetPort": 8080, "namespace": "wso2-amp"},
    "gate": {
        "target": "service/gateway-external", "targetPort": 443, "namespace": "openchoreo-data-plane",
        "method": "tunnel",
    },
}  # fmt: skip
NAMESPACES = tuple({entry["namespace"] for entry in FORWARDS.values()})

_PLUGIN = """#!{python}
import datetime, json, pathlib, sys
here = pathlib.Path({folder!r})
if (here / "is-out").exists():
    sys.exit("the session has run out: log in again")
until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)
status = {{"token": (here / "token").read_text(), "expirationTimestamp": until.strftime("%Y-%m-%dT%H:%M:%SZ")}}
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}}))
"""


@dataclass(frozen=True)
class Silenceable:
    """A cluster, `silence(True)` drops what is said to its API until `silence(False)`."""

    kubeconfig: Path
    silence: Callable[[bool], None]

    def rollout(self) -> None:
        kubectl = ("kubectl", "--kubeconfig", str(self.kubeconfig), "-n", "demo", "rollout")
        rigs.run(*kubectl, "restart", "deployment/web", timeout=30)
        rigs.run(*kubectl, "status", "deployment/web", "--timeout=60s", timeout=70)


@contextmanager
def of_rig(name: str, *, keep: bool = False) -> Iterator[Silenceable]:
    """A cluster of one's own; one that the environment names, or that is kept, stays."""
    rig = rigs.up(name)
    try:
        yield Silenceable(rig.kubeconfig, lambda on: rig.fault("api-blackhole", "on" if on else "off"))
    finally:
        rig.fault("mend")
        if not keep:
            rigs.cluster("down", name)


@contextmanager
def of_sandbox(folder: Path) -> Iterator[Silenceable]:
    with place(folder, *default_set()) as here:
        silence = here.do(lambda sandbox: sandbox.faults.silent())

        def switch(on: bool) -> None:
            here.do(lambda _: silence.__enter__() if on else silence.__exit__(None, None, None))

        yield Silenceable(here.kubeconfig, switch)


class Login:
    """To a sandbox, by an exec plugin that is a stub, and as short-lived as real ones."""

    def __init__(self, here: Place, folder: Path) -> None:
        self._here = here
        self._folder = folder
        file = here.user("ada", *NAMESPACES)
        self._config = yaml.safe_load(file.read_text())
        self._token = self._config["users"][0]["user"]["token"]
        self._user = here.do(lambda sandbox: sandbox.users.by_token[self._token])
        (folder / "token").write_text(self._token)
        plugin = folder / "login"
        plugin.write_text(_PLUGIN.format(python=sys.executable, folder=str(folder)))
        plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
        exec_entry = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}
        self._config["users"][0]["user"] = {"exec": {**exec_entry, "interactiveMode": "Never"}}
        self.kubeconfig = folder / "kubeconfig-ada"
        self.kubeconfig.write_text(yaml.safe_dump(self._config))

    def run_out(self) -> None:
        """The server does not take the token any more, the plugin gives no other one, and what is open is cut."""
        (self._folder / "is-out").touch()

        def refuse(sandbox: Any) -> None:
            del sandbox.users.by_token[self._token]
            with sandbox.faults.reset():
                pass

        self._here.do(refuse)

    def renew(self) -> None:
        self._here.do(lambda sandbox: sandbox.users.by_token.update({self._token: self._user}))
        (self._folder / "is-out").unlink()


def merged(folder: Path, files: Mapping[str, Path]) -> Path:
    """One kubeconfig, whose contexts bear these names."""
    whole: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [],
        "users": [],
        "contexts": [],
    }
    for name, file in files.items():
        one = yaml.safe_load(file.read_text())
        whole["clusters"].append({"name": name, "cluster": one["clusters"][0]["cluster"]})
        whole["users"].append({"name": name, "user": one["users"][0]["user"]})
        whole["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    whole["current-context"] = next(iter(files))
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(whole))
    path.chmod(0o600)
    return path
