"""The faults, in one table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.real.chaos import acts, acts_here
from tests.real.chaos.acts import Act
from tests.real.chaos.cell import METHODS

#: What is compared with the bare node port: where the pods are well and can be reached without the API server; and where
#: the API server is well, too.
ONE = ("nodeport",)
BOTH = ("tunnel", "nodeport")


@dataclass(frozen=True)
class Fault:
    """`hold`: seconds between its beginning and its end; `compared`: methods that are to be as good as the bare node port.

    `user`: whose login kfw has. `pods_end`: apps close their connections, so that a close under the client is none of kfw's.
    """

    name: str
    title: str
    act: Act
    hold: float = 0.0
    methods: Sequence[str] = METHODS
    compared: Sequence[str] = ()
    user: str = "admin"
    small_disk: bool = False
    pods_end: bool = False


SINGLES = (
    Fault("apiserver-restart", "API server killed, back in 2 to 3 s", acts.API_KILLED, 1, compared=ONE),
    Fault("apiserver-stop", "API server away for 8 s", acts.API_STOPPED, 8, compared=ONE),
    Fault("api-blackhole", "API server silent for 10 s", acts.API_SILENT, 10, compared=ONE),
    Fault("kubelet-blackhole", "the worker's kubelet silent for 10 s", acts.KUBELET_SILENT, 10, compared=BOTH),
    Fault("kubelet-restart", "the worker's kubelet killed", acts.KUBELET_KILLED, 3, compared=BOTH),
    Fault("containerd-restart", "the worker's containerd killed", acts.CONTAINERD_KILLED, 3, compared=BOTH),
    Fault("kube-proxy-restart", "kube-proxy of the worker killed", acts.KUBE_PROXY_KILLED, 3, compared=BOTH),
    Fault("node-pause", "the worker frozen for 22 s", acts.NODE_PAUSED, 22, compared=ONE, pods_end=True),
    Fault("node-restart-worker", "the worker restarted", acts.WORKER_RESTARTED, 3, compared=ONE, pods_end=True),
    Fault("node-restart-control-plane", "the control plane restarted", acts.CONTROL_PLANE_RESTARTED, 5, pods_end=True),
    Fault("login-revoked", "the login revoked for 20 s", acts.login_revoked, 8, compared=BOTH, user="token"),
    Fault("rights-removed", "the user's rights removed for 8 s", acts.rights_removed, 8, compared=BOTH, user="account"),
    Fault("child-killed", "the child killed", acts_here.CHILD_KILLED, 1, acts_here.CHILDREN),
    Fault("child-stopped", "the child stopped for 8 s (SIGSTOP)", acts_here.CHILD_STOPPED, 8, acts_here.CHILDREN),
    Fault("daemon-killed", "the daemon killed, started again 2 s later", acts_here.daemon_killed, 2),
    Fault("daemon-stopped", "the daemon stopped for 5 s (SIGSTOP)", acts_here.daemon_stopped, 5),
    Fault("kubeconfig-gone", "the kubeconfig gone for 8 s", acts_here.kubeconfig_gone, 8, compared=BOTH),
    Fault("kubeconfig-half", "the kubeconfig half-written for 8 s", acts_here.kubeconfig_half, 8, compared=BOTH),
    Fault("kubeconfig-moved", "another kubeconfig in its place", acts_here.kubeconfig_moved, 3, compared=BOTH),
    Fault("disk-full", "the disk of kfw's home full for 8 s", acts_here.disk_full, 8, compared=BOTH, small_disk=True),
    Fault("descriptors-gone", "clients take all descriptors for 8 s", acts_here.descriptors_gone, 8),
    Fault("one-pod-deleted", "one of two pods deleted", acts.one_pod_deleted, 1, compared=BOTH, pods_end=True),
    Fault("all-pods-deleted", "all pods deleted", acts.all_pods_deleted, 1, pods_end=True),
    Fault("rollout", "rolling restart", acts.rollout, compared=BOTH, pods_end=True),
    Fault("scaled-to-zero", "scaled to 0 for 6 s", acts.scaled_to_zero, 6, pods_end=True),
    Fault("app-refuses", "pods that do not listen to the port, for 6 s", acts.app_refuses, 6, pods_end=True),
    Fault("service-recreated", "the service deleted for 5 s", acts.service_recreated, 5),
    Fault("selector-changed", "the service selects nothing for 5 s", acts.selector_changed, 5),
    Fault("all-unready", "no pod ready for 6 s", acts.all_unready, 6),
)  # fmt: skip

#: Pods go while ...
_PAIRS = (
    Fault("login-revoked", "the login is revoked", acts.login_revoked, 8, user="token"),
    Fault("rights-removed", "the rights are removed", acts.rights_removed, 8, user="account"),
    Fault("kubeconfig-gone", "the kubeconfig is gone", acts_here.kubeconfig_gone, 8),
    Fault("kubeconfig-half", "the kubeconfig is half-written", acts_here.kubeconfig_half, 8),
    Fault("api-blackhole", "the API server is silent", acts.API_SILENT, 10),
    Fault("kubelet-blackhole", "the worker's kubelet is silent", acts.KUBELET_SILENT, 10),
    Fault("node-pause", "the worker is frozen", acts.NODE_PAUSED, 22, pods_end=True),
    Fault("disk-full", "the disk is full", acts_here.disk_full, 8, small_disk=True),
    Fault("descriptors-gone", "the descriptors are gone", acts_here.descriptors_gone, 8),
    Fault("kubelet-restart", "the worker's kubelet is killed", acts.KUBELET_KILLED, 3),
    Fault("containerd-restart", "the worker's containerd is killed", acts.CONTAINERD_KILLED, 3),
    Fault("kube-proxy-restart", "kube-proxy of the worker is killed", acts.KUBE_PROXY_KILLED, 3),
    Fault("kubeconfig-moved", "another kubeconfig takes its place", acts_here.kubeconfig_moved, 3),
    Fault("child-killed", "the child is killed", acts_here.CHILD_KILLED, 1, acts_here.CHILDREN),
    Fault("child-stopped", "the child is stopped", acts_here.CHILD_STOPPED, 8, acts_here.CHILDREN),
    Fault("daemon-killed", "the daemon is killed", acts_here.daemon_killed, 2),
    Fault("daemon-stopped", "the daemon is stopped", acts_here.daemon_stopped, 5),
)

_API_SERVER = (
    ("apiserver-stop", "the API server is away", acts.API_STOPPED, 8),
    ("apiserver-restart", "the API server is killed", acts.API_KILLED, 1),
)


def _pairs() -> Iterator[Fault]:
    for one in _PAIRS:
        name, title, act = f"pods+{one.name}", f"pods go while {one.title}", acts.with_pods_gone(one.act)
        yield Fault(name, title, act, one.hold, one.methods, (), one.user, one.small_disk, pods_end=True)
    # The other way round: an API server that is away deletes nothing. Replacements come when it is back.
    for name, why, act, hold in _API_SERVER:
        yield Fault(
            f"pods+{name}", f"pods go while {why}", acts.after_pods_are_gone(act), hold, pods_end=True
        )


FAULTS = {fault.name: fault for fault in (*SINGLES, *_pairs())}
