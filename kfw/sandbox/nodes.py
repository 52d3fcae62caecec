"""The node objects of a sandbox. Pure."""

import platform

from kfw.sandbox.api.discovery import GIT_VERSION
from kfw.sandbox.objects import Object, rfc3339, rfc3339_micro


def node(name: str, address: str, now: float) -> Object:
    """`address` is where its node ports listen; a name that ends in control-plane makes it one."""
    role = {"node-role.kubernetes.io/control-plane": ""} if name.endswith("control-plane") else {}
    return {
        "metadata": {"name": name, "labels": {**_labels(name), **role}},
        "spec": {"providerID": f"kfw://sandbox/{name}", "podCIDR": "10.244.0.0/24"},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "capacity": {"cpu": "1", "memory": "1Gi", "pods": "110"},
            "allocatable": {"cpu": "1", "memory": "1Gi", "pods": "110"},
            "conditions": _conditions(rfc3339(now)),
            "nodeInfo": _info(),
        },
    }


def lease(name: str, now: float) -> Object:
    """What `kubectl describe node` looks at; it is not renewed."""
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": rfc3339_micro(now)}
    return {"kind": "Lease", "metadata": {"name": name, "namespace": "kube-node-lease"}, "spec": spec}


def _machine() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _labels(name: str) -> dict[str, str]:
    system = {"kubernetes.io/arch": _machine(), "kubernetes.io/os": platform.system().lower()}
    return {**system, "kubernetes.io/hostname": name}


_HEALTH = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def _conditions(time: str) -> list[Object]:
    return [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": time,
            "lastTransitionTime": time,
        }
        for kind, status, reason, message in _HEALTH
    ]


def _info() -> Object:
    return {
        "architecture": _machine(),
        "operatingSystem": platform.system().lower(),
        "osImage": "kfw sandbox",
        "kernelVersion": platform.release(),
        "containerRuntimeVersion": f"python://{platform.python_version()}",
        "kubeletVersion": GIT_VERSION,
        "kubeProxyVersion": GIT_VERSION,
        "machineID": "",
        "systemUUID": "",
        "bootID": "",
    }
