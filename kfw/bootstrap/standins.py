"""Five small services of the platform's names and ports, where the platform itself cannot be had."""

import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from kfw.bootstrap.cluster import Cluster, manifests
from kfw.bootstrap.options import Options
from kfw.bootstrap.steps import Steps
from kfw.errors import KfwError
from kfw.system.files import make_private_dir, write_atomic

#: Seconds until they must serve, their image pulled.
READY = 300
_BEYOND = 30.0


def apply(steps: Steps, options: Options, cluster: Cluster) -> None:
    """Raises KfwError after having shown the pods when they do not come up."""
    objects = adapted(manifests(options.services), options)
    file = options.manifests
    if not steps.dry:
        make_private_dir(options.folder)
        write_atomic(file, json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}).encode())
    steps.must(cluster.kubectl("apply", "--filename", str(file)), "cannot apply the services", timeout=60.0)
    for one in (each for each in objects if each["kind"] == "Deployment"):
        _wait(steps, cluster, one["metadata"]["name"], one["metadata"]["namespace"])


def delete(steps: Steps, options: Options, cluster: Cluster) -> None:
    """What was applied, but the namespaces: others may have put something into them."""
    try:
        applied = json.loads(options.manifests.read_bytes())
    except (OSError, ValueError):
        return
    file = options.manifests.with_suffix(".deleting")
    applied["items"] = [one for one in applied["items"] if one["kind"] != "Namespace"]
    if not steps.dry:
        write_atomic(file, json.dumps(applied).encode())
    line = cluster.kubectl("delete", "--ignore-not-found", "--wait=false", "--filename", str(file))
    answer = steps.do(line, timeout=60.0)
    if not answer.ok:
        steps.say(f"platform: the stand-ins are not deleted: {answer.words}")
    if not steps.dry:
        file.unlink()
        options.manifests.unlink()


def _wait(steps: Steps, cluster: Cluster, name: str, namespace: str) -> None:
    where = ["--namespace", namespace]
    line = cluster.kubectl("rollout", "status", f"deployment/{name}", *where, f"--timeout={READY}s")
    answer = steps.do(line, timeout=READY + _BEYOND)
    if not answer.ok:
        steps.say(steps.ask(cluster.kubectl("get", "pods", *where)).out)
        fix = shlex.join(cluster.kubectl("describe", "pods", *where))
        raise KfwError(f"the stand-in {name} does not come up: {answer.words}", fix)


def adapted(objects: Iterable[Mapping[str, Any]], options: Options) -> list[dict[str, Any]]:
    """The manifests in the namespaces and with the image that are wanted."""
    return [_adapted(each, options) for each in objects]


def _adapted(one: Mapping[str, Any], options: Options) -> dict[str, Any]:
    renamed = options.namespaces.renamed()
    copy: dict[str, Any] = json.loads(json.dumps(one))  # YAML's aliases make one object of several
    meta = copy["metadata"]
    key = "name" if copy["kind"] == "Namespace" else "namespace"
    if meta.get(key) in renamed:
        meta[key] = renamed[meta[key]]
    if options.image and copy["kind"] == "Deployment":
        for container in copy["spec"]["template"]["spec"]["containers"]:
            container["image"] = options.image
    return copy
