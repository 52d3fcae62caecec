"""The objects of conftest for a real cluster: the same names and ports, with the rig's app in the pods."""

import json
from copy import deepcopy
from typing import Any

from kfw.sandbox.objects import Object

#: What the app is told: everything else about it is in the rig's README.
_TOLD = {"db": {"APP_GREET": "5432"}, "unready": {"READY": "false"}}
_READY = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}


def for_kubectl(objects: list[Object]) -> str:
    """For `kubectl apply -f -`."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [_real(one) for one in objects]})


def _real(one: Object) -> Object:
    made: dict[str, Any] = deepcopy(one)
    made["apiVersion"] = "apps/v1" if made["kind"] in ("Deployment", "StatefulSet") else "v1"
    spec = made.get("spec", {})
    spec = spec.get("template", {}).get("spec", spec)
    for container in spec.get("containers", []):
        told = _TOLD.get(made["metadata"]["name"], {})
        env = [{"name": name, "value": value} for name, value in told.items()]
        container |= {"image": "kfw-app:1", "env": env, "readinessProbe": _READY}
        spec["terminationGracePeriodSeconds"] = 1
    return made
