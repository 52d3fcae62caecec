"""Objects of the test app for a namespace of one's own, as text for `kubectl apply -f -`."""

import json
from typing import Any

Object = dict[str, Any]

#: Of every container: number and name.
PORTS = {"http": 8080, "echo": 9000, "greet": 9005}


def workload(kind: str, name: str, *, app: str = "", replicas: int = 1, **env: str) -> Object:
    """A Deployment, StatefulSet or DaemonSet of the app; its pods carry the label app=APP, by default its name."""
    labels = {"app": app or name}
    spec: Object = {"selector": {"matchLabels": labels}, "template": _template(labels, env)}
    if kind != "DaemonSet":
        spec["replicas"] = replicas
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def pod(name: str, **env: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        **_template({"app": name}, env),
    } | {"metadata": {"name": name, "labels": {"app": name}}}


def service(name: str, *ports: Object, kind: str = "NodePort", app: str = "") -> Object:
    """Without ports: 80, which leads to `http`."""
    spec = {
        "type": kind,
        "selector": {"app": app or name},
        "ports": list(ports) or [port(80, "http", "http")],
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def port(number: int, name: str, target: int | str | None = None, **more: Any) -> Object:
    """`target` None: it is left out."""
    return {"port": number, "name": name, **({} if target is None else {"targetPort": target}), **more}


def relay(name: str, host: str, port: int) -> Object:
    """A pod whose port `http` leads to a server outside the cluster. The image has no program for that, so it runs the Perl
    of its node, whose folders it sees."""
    made = pod(name)
    (container,) = made["spec"]["containers"]
    folders = {"usr": "/usr", "lib": "/usr/lib", "lib64": "/usr/lib64"}
    container |= {
        "command": ["/usr/bin/perl", "-MIO::Socket::INET", "-MIO::Select", "-e", _RELAY, str(PORTS["http"])],
        "args": [f"{host}:{port}"],
        "readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1, "failureThreshold": 1},
        "volumeMounts": [{"name": one, "mountPath": f"/{one}", "readOnly": True} for one in folders],
    }
    made["spec"]["volumes"] = [{"name": one, "hostPath": {"path": path}} for one, path in folders.items()]
    return made


#: A process for each connection, which ends with both directions.
_RELAY = """
my ($port, $to) = @ARGV;
$SIG{CHLD} = 'IGNORE';
my $listener = IO::Socket::INET->new(LocalPort => $port, Listen => 64, ReuseAddr => 1) or die $!;
while (1) {
    my $client = $listener->accept or next;
    next if fork;
    close $listener;
    my $server = IO::Socket::INET->new(PeerAddr => $to) or exit;
    my $both = IO::Select->new($client, $server);
    while ($both->count) {
        for my $from ($both->can_read) {
            my $into = $from == $client ? $server : $client;
            my $data = '';
            unless (sysread $from, $data, 65536) {
                $both->remove($from);
                shutdown $into, 1;
                next;
            }
            while (length $data) {
                my $written = syswrite $into, $data or exit;
                substr($data, 0, $written) = '';
            }
        }
    }
    exit;
}
"""


def together(*objects: Object) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def _template(labels: dict[str, str], env: dict[str, str]) -> Object:
    variables: list[Object] = [{"name": name, "value": value} for name, value in env.items()]
    variables.append({"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})
    container = {
        "name": "app",
        "image": "kfw-app:1",
        "env": variables,
        "ports": [{"name": name, "containerPort": number} for name, number in PORTS.items()],
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": "http"},
            "periodSeconds": 1,
            "failureThreshold": 1,
        },
    }
    spec = {"terminationGracePeriodSeconds": 2, "containers": [container]}
    return {"metadata": {"labels": labels}, "spec": spec}
