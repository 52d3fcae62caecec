"""The forms of kubectl's arguments that are given to both programs.

usage: python -m tests.kubectl_compat.table

writes kubectl_said.json again, with the kubectl that is on PATH.
"""

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.kubectl_compat.programs import KUBECTL, environment, said_by
from tests.real import talk

RECORDED = Path(__file__).with_name("kubectl_said.json")
NAMESPACE = ["--namespace", "demo"]

#: A and B are free ports; a blank separates, "" is an empty argument.
FORWARDS = [
    "pod/single A:8080",
    "single A:8080",
    "po/single A:8080",
    "pods/single :8080",
    "Pod/single 0:8080",
    "single A:http",
    "single A",
    "svc/web A:80",
    "service/web A:web",
    "services/web :80",
    "svc/multi A:http B:number",
    "svc/multi A:9000 B:7000 :8080",
    "svc/db A:5432",
    "deploy/web A:8080",
    "deployment/web A:http",
    "deployment.apps/web A:8080 B:9000",
    "deployments.v1.apps/web :http :echo",
    "sts/db :db",
    "statefulset.apps/db :5432",
    "rs/REPLICASET :8080",
    "pod/unready :8080",
    "svc/web A:80 --address 127.0.0.1",
    "svc/web A:80 --address=localhost",
    "svc/web A:80 --address localhost,127.0.0.1",
    "svc/web A:80 --address 127.0.0.2,127.0.0.1 --address ::1",
    "svc/web A:80 --address 0.0.0.0",
    "svc/web A:80 --address ::,0.0.0.0",
    "svc/web A:80 A:80",
    "svc/web A:80 TAKEN:80",
    "--address 127.0.0.1 svc/web A:80 --pod-running-timeout=1m30s",
    "svc/web A:80 --request-timeout=5s -v=0 --v 0 -v0",
    "svc/web A:80 --request-timeout 20",
    "svc/web --warnings-as-errors=false A:80 --match-server-version=f --cache-dir /tmp/none --profile=none",
    "--insecure-skip-tls-verify svc/web A:80",
    "-- svc/web A:80",
    "svc/web 0A:80",
]
ERRORS = [
    "",
    "single",
    "pod/nobody 80",
    "svc/none 80",
    "deploy/none 80",
    "statefulset.apps/none 80",
    "job/none 80",
    "rc/none 80",
    "foo/web 80",
    "foo.bar/web 80",
    "SVC/web 80",
    "configmap/kube-root-ca.crt 80",
    "svc web",
    "svc/ 80",
    "/web 80",
    "svc/web/x 80",
    "svc/web,svc/db 80",
    "svc/web,x 80",
    '"" 80',
    "svc/away A:80",
    "svc/web A:81",
    "svc/web A:80:80",
    "svc/web A:none",
    "svc/web http",
    "svc/web A:-5",
    "svc/web x:80",
    "svc/web 70000:80",
    "svc/multi A:9006",
    "svc/multi A:udp",
    "single A:none",
    "single :",
    "single A:",
    'single ""',
    "single 0",
    "single A:0",
    "single A:-5",
    "single 70000",
    "single x:80",
    "single +80:8080",
    "-- single -5:80",
    "dns 5353",
    "single A:8080 B:none",
    "single TAKEN:8080 --address 127.0.0.1",
    "single TAKEN:8080 TAKEN:9000 --address 127.0.0.1,127.0.0.1",
    "single A:8080 --address 192.0.2.1",
    "single A:8080 --address 192.0.2.1,127.0.0.1",
    "single A:8080 --address nowhere",
    "single A:8080 --address=",
    "single A:8080 --address=127.0.0.1,",
    "single A:8080 --address",
    "single A:8080 --pod-running-timeout=abc",
    "single A:8080 --pod-running-timeout=5",
    "single A:8080 --pod-running-timeout=0",
    "single A:8080 --pod-running-timeout=-5s",
    "svc/nobody A:80 --pod-running-timeout=300ms",
    "single A:8080 --request-timeout=abc",
    "single A:8080 --context none",
    "single A:8080 --cluster none",
    "single A:8080 --user none",
    "single A:8080 --kubeconfig /nowhere/config",
    "single A:8080 --namespace",
    "single A:8080 -n",
    "single A:8080 -n=",
    "single A:8080 --namespace none",
    "svc/web A:80 -n none",
    "single A:8080 --unknown",
    "single A:8080 --unknown=1",
    "single A:8080 -x",
    "single A:8080 -xn",
    "single A:8080 ---x",
    "single A:8080 --=x",
    "single A:8080 --insecure-skip-tls-verify=maybe",
    "single A:8080 -v=abc",
    "single A:8080 -s https://127.0.0.1:1",
    "-l app=web A:8080",
]


def filled(line: str, taken: int, env: dict[str, str]) -> list[str]:
    """With free ports for A and B, the namespace and the name of web's replica set."""
    one, two = talk.free_ports(2)
    names = {"A": str(one), "B": str(two), "TAKEN": str(taken)}
    words = line.split(" ") if line else []
    words = ["" if word == '""' else word for word in words]
    words = [re.sub(r"\b(TAKEN|A|B)(?=:|$)", lambda found: names[found[0]], word) for word in words]
    words = [re.sub(r"^0A:", f"0{one}:", word) for word in words]
    if "REPLICASET" in line:
        words = [word.replace("REPLICASET", _replica_set(env)) for word in words]
    return words if "-n" in line or "--namespace" in line else [*NAMESPACE, *words]


def without_numbers(line: str, arguments: list[str], said: list[str]) -> list[str]:
    """The ports that stand for A, B and TAKEN are others each time."""
    for name, number in _numbers(line, arguments).items():
        said = [text.replace(number, name) for text in said]
    return said


def recorded() -> dict[str, list[str]]:
    """What kubectl says on stderr, by line of ERRORS."""
    said: dict[str, list[str]] = json.loads(RECORDED.read_text())
    return said


def _numbers(line: str, arguments: list[str]) -> dict[str, str]:
    words = line.split(" ")
    pairs = zip(words, arguments[len(arguments) - len(words) :], strict=True)
    found: dict[str, str] = {}
    for word, filled_in in pairs:
        if part := re.match(r"(TAKEN|A|B)(?=:|$)", word):
            found[part[0]] = filled_in.split(":")[0]
    return found


def _replica_set(env: dict[str, str]) -> str:
    line = ["kubectl", "-n", "demo", "get", "rs", "-o", "jsonpath={.items[0].metadata.name}"]
    return subprocess.run(line, env=env, capture_output=True, text=True, check=True).stdout


def record() -> dict[str, Any]:
    from tests.kubectl_compat.conftest import objects
    from tests.whole.place import place

    with tempfile.TemporaryDirectory() as folder, talk.listener() as taken:
        with place(Path(folder) / "cluster", *objects()) as cluster:
            env = environment(cluster.kubeconfig, Path(folder))
            found = {}
            for line in ERRORS:
                arguments = filled(line, taken, env)
                said = said_by(KUBECTL, arguments, env)
                assert said.code == 1, (line, said)
                found[line] = without_numbers(line, arguments, said.err)
            return found


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(record(), indent=1) + "\n")
