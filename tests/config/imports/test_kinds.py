"""What other programs forward, in inputs of our own in their shapes, and what kfw's own loader reads of what comes out."""

from pathlib import Path

import pytest

from kfw.choices import FOREIGN_KINDS
from kfw.config.imports import k9s, table
from kfw.config.imports.write import Written, write
from kfw.config.layers import load_only
from kfw.config.settings import Settings
from kfw.config.tree import Place
from kfw.model import Forward

#: By kind: the file's name, its text, what is forwarded, and words of what is said to be left out.
INPUTS: dict[str, tuple[str, str, list[str], list[str]]] = {
    "kportforward": (
        "config.yaml",
        """\
portForwards:
  WebUI: {target: service/web, targetPort: 80, localPort: 3000, namespace: shop, type: web}
  catio_api: {target: deployment/api, targetPort: 8080, localPort: 8081, namespace: shop, type: rest, apiPath: v1}
  web-ui: {target: service/other, targetPort: 80, localPort: 3001, namespace: shop, disabled: true}
monitoringInterval: 5s
uiOptions: {theme: dark}
""",
        [
            "web-ui shop/service/web:80 3000 next",
            "catio-api shop/deployment/api:8080 8081 next",
            "web-ui-2 shop/service/other:80 3001 next off",
        ],
        ["monitoringInterval", "uiOptions"],
    ),
    "kubefwd-daemon": (
        "config.yaml",
        """\
daemon: {log_level: info, socket_path: /run/kubefwd.sock}
defaults: {retry: {max_delay: 60s}}
profiles:
  dev:
    context: dev
    namespaces: [shop, shared]
    labels: ["app.kubernetes.io/part-of=shop"]
    exclude_services: ["legacy-*"]
""",
        ["profile dev: shop,shared app.kubernetes.io/part-of=shop legacy-*"],
        ["daemon"],
    ),
    "kftray": (
        "kftray.json",
        """\
[
        {"alias": "Argo CD", "service": "argocd-server", "namespace": "argocd", "local_port": 8888, "remote_port": 8080,
         "context": "dev", "workload_type": "service", "protocol": "tcp", "http_logs_enabled": true},
        {"service": "argocd-server", "namespace": "argocd", "local_port": 8888, "remote_port": 8080, "context": "prod",
         "workload_type": "service"},
        {"alias": "app-pod", "target": "app=web,tier=front", "namespace": "shop", "local_port": 9000, "remote_port": 80,
         "context": "dev", "workload_type": "pod"},
        {"alias": "dns", "service": "kube-dns", "namespace": "kube-system", "local_port": 5353, "remote_port": 53,
         "workload_type": "service", "protocol": "udp"},
        {"alias": "db", "remote_address": "db.example.com", "namespace": "shop", "local_port": 5432, "remote_port": 5432,
         "workload_type": "proxy"},
        {"alias": "mine", "namespace": "shop", "local_port": 8080, "workload_type": "expose"}
]
""",
        [
            "argo-cd argocd/service/argocd-server:8080 8888 dev",
            "argocd-server argocd/service/argocd-server:8080 8888 prod off",
            "app-pod shop/pods/app=web,tier=front:80 9000 dev",
        ],
        ["'dns' is UDP", "'db' is of workload_type 'proxy'", "'mine' is of workload_type 'expose'"],
    ),
    "vscode": (
        "portforward.json",
        """\
{
  // our forwards
  "profiles": [
    {"name": "API (dev)", "context": "", "namespace": "shop", "resource": "svc/api", "localPort": 8080, "remotePort": 80,
     "localAddress": "127.0.0.1", "autoStart": false, "autoReconnect": true}, /* more: */
    {"name": "http://x", "context": "dev", "namespace": "shop", "resource": "deploy/web", "localPort": 8081,
     "remotePort": 80, "localAddress": "0.0.0.0"},
  ],
}
""",
        ["api-dev shop/service/api:80 8080", "http-x shop/deployment/web:80 8081 dev 0.0.0.0"],
        [],
    ),
    "skaffold": (
        "skaffold.yaml",
        """\
apiVersion: skaffold/v4beta11
kind: Config
portForward:
- {resourceType: Service, resourceName: web, namespace: shop, port: 80, localPort: 9000}
- {resourceType: deployment, resourceName: api, port: http}
- {resourceType: CronJob, resourceName: nightly, port: 80}
- {resourceType: service, resourceName: bad, port: 70000}
profiles:
- name: Debug
  portForward:
  - {resourceType: job, resourceName: load, port: 5005, address: 0.0.0.0}
---
apiVersion: skaffold/v4beta11
kind: Config
portForward:
- {resourceType: StatefulSet, resourceName: db, namespace: "{{.NS}}", port: 5432}
- {resourceType: StatefulSet, resourceName: db, namespace: data, port: 5432}
""",
        [
            "web shop/service/web:80 9000 next",
            "api /deployment/api:http 0 next",
            "db data/statefulset/db:5432 5432 next",
            "load /job/load:5005 5005 next 0.0.0.0 off in debug",
        ],
        [
            "line 6: 'nightly' is a 'cronjob'",
            "line 7: 'bad': ",
            "targetPort is 70000",
            "line 16: 'db': ",
            "namespace",
        ],
    ),
    "devspace": (
        "devspace.yaml",
        """\
version: v2beta1
dev:
  app:
    labelSelector: {app: web, app.kubernetes.io/component: front}
    namespace: shop
    ports: [{port: "8080:80"}, {port: "9229", bindAddress: 0.0.0.0}]
    reversePorts: [{port: "1"}]
  other: {imageSelector: ghcr.io/x/y, ports: [{port: "5000"}]}
  silent: {labelSelector: {app: z}}
""",
        [
            "app-80 shop/pods/app=web,app.kubernetes.io/component=front:80 8080",
            "app-9229 shop/pods/app=web,app.kubernetes.io/component=front:9229 9229 0.0.0.0",
        ],
        ["its image 'ghcr.io/x/y'", "reversePorts"],
    ),
    "devspace of before": (
        "devspace.yaml",
        """\
version: v1beta11
dev:
  ports:
  - labelSelector: {app: db}
    namespace: data
    forward: [{port: 15432, remotePort: 5432}]
""",
        ["db data/pods/app=db:5432 15432"],
        [],
    ),
    "compose": (
        "compose.yaml",
        """\
x-ports: &ports
  ports: ["5050:80"]
services:
  web: {image: web, ports: ["8080:80", "127.0.0.1:8443:443", 9000, "53:53/udp"]}
  my_db: {image: db, ports: [{target: 5432, published: "15432", name: sql, protocol: tcp}]}
  many: {image: m, ports: ["9090-9091:8080-8081"]}
  odd: {image: o, ports: ["${PORT:-7000}:70", "${PORT}:70", "1-2:3-5", 22:22]}
  merged: {<<: *ports, image: x}
""",
        [
            "web /service/web:80 8080",
            "web-2 /service/web:443 8443",
            "web-3 /service/web:9000 0",
            "my-db-sql /service/my-db:5432 15432",
            "many-8080 /service/many:8080 9090",
            "many-8081 /service/many:8081 9091",
            "odd /service/odd:70 7000",
            "odd-2 /service/odd:22 22",
            "merged /service/merged:80 5050",
        ],
        ["port 53 of 'web' is UDP", "a variable without a default", "its ranges do not fit"],
    ),
    "kudev": (
        ".kudev.yaml",
        "apiVersion: kudev.io/v1alpha1\nkind: DeploymentConfig\nmetadata: {name: My_App}\n"
        "spec: {localPort: 8081, servicePort: 8080, namespace: dev, kubeContext: kind-dev}\n",
        [],
        ["My_App"],
    ),
    "tilt": (
        "Tiltfile",
        """\
load('ext://x', 'y')
k8s_yaml('web.yaml')
k8s_resource('web', port_forwards=['8080:80', port_forward(9229, 9229, name='debugger'), 7000])
k8s_resource(workload='db:statefulset:data', new_name='postgres', port_forwards='0.0.0.0:15432:5432')
k8s_resource('api', port_forwards=9001 if os.getenv('X') else 9002)
k8s_resource('batch:cronjob', port_forwards=1)
k8s_resource(name, port_forwards=8000)
for n in ['a']:
    k8s_resource('silent')
""",
        [
            "web-8080 /deployment/web:80 8080",
            "debugger /deployment/web:9229 9229",
            "web-7000 /deployment/web:None 7000",
            "postgres data/statefulset/db:5432 15432 0.0.0.0",
        ],
        [
            "line 5: a port of 'api' is computed",
            "line 6: 'batch:cronjob'",
            "line 7: port_forwards of a k8s_resource",
        ],
    ),
}


#: What editors indent with, and YAML does not take.
INPUTS["kftray"] = (INPUTS["kftray"][0], INPUTS["kftray"][1].replace("        ", "\t"), *INPUTS["kftray"][2:])


def _written(kind: str) -> Written:
    name, text, _, _ = INPUTS[kind]
    asked = kind.partition(" ")[0]
    words = table.FILES[asked].words if asked in table.FILES else "a Tiltfile"
    return write(table.read(text, asked, Place(name)), name, words)


def _loaded(folder: Path, text: str) -> Settings:
    file = folder / "kfw.yaml"
    file.write_text(text)
    file.chmod(0o644)
    return load_only([file], folder)


def _line(forward: Forward) -> str:
    said = [f"{forward.name} {forward.namespace}/{forward.target}:{forward.target_port} {forward.local_port}"]
    said += [forward.on_port_in_use] if forward.on_port_in_use != "error" else []
    said += [forward.context] if forward.context else []
    said += forward.addresses if forward.addresses != Forward.addresses else []
    said += [] if forward.enabled else ["off"]
    said += [f"in {forward.profile}"] if forward.profile else []
    return " ".join(said)


@pytest.mark.parametrize("kind", INPUTS)
def test_what_comes_out_is_a_config_that_forwards_the_same(kind: str, tmp_path: Path) -> None:
    written = _written(kind)
    settings = _loaded(tmp_path, written.text)
    profiles = [
        f"profile {one.profile}: {','.join(one.namespaces)} {one.labels} {','.join(one.exclude)}"
        for one in settings.selections.values()
    ]
    assert [*map(_line, settings.forwards.values()), *profiles] == INPUTS[kind][2]


@pytest.mark.parametrize("kind", INPUTS)
def test_what_has_no_equivalent_is_named_in_the_comments(kind: str) -> None:
    written = _written(kind)
    for words in INPUTS[kind][3]:
        assert any(words in said for said in written.left_out), written.left_out
        assert words in written.text
    said_about = [said for said in written.left_out if not any(words in said for words in INPUTS[kind][3])]
    assert said_about == []


@pytest.mark.parametrize("kind", INPUTS)
def test_each_is_recognised_by_its_looks(kind: str) -> None:
    name, text, _, _ = INPUTS[kind]
    if kind == "tilt":
        assert table.is_tiltfile(name) and not table.is_tiltfile("kfw.yaml")
    else:
        assert table.kind_of(table.documents(text, Place(name))) == kind.partition(" ")[0]


@pytest.mark.parametrize("kind", INPUTS)
def test_as_a_config_it_is_named_unless_kfw_reads_it_as_it_is(kind: str) -> None:
    name, text, _, _ = INPUTS[kind]
    foreign = table.FILES.get(kind.partition(" ")[0])
    named = "a Tiltfile" if foreign is None else "" if foreign.loads else foreign.words
    assert table.named_foreign(text, Place(name)) == named


def test_names_that_were_mapped_are_told() -> None:
    text = _written("kportforward").text
    assert "  # named 'WebUI' there\n  web-ui:\n" in text
    assert "  # named 'catio_api' there\n  catio-api:\n" in text


def test_what_two_clusters_have_on_one_port_is_off_the_second_time() -> None:
    assert "# off: argo-cd has its localPort" in _written("kftray").text


def test_the_table_has_what_the_help_says() -> None:
    assert set(FOREIGN_KINDS) == {*table.FILES, table.TILT, table.K9S}
    assert {kind.partition(" ")[0] for kind in INPUTS} | {table.K9S} == set(FOREIGN_KINDS)


def test_annotations_of_k9s_are_one_forward_per_workload(tmp_path: Path) -> None:
    auto, asked = k9s.ANNOTATIONS
    found = k9s.read(
        [
            k9s.AnnotatedTarget("deployment/web", "shop", auto, "nginx::8080:http, nginx::9090"),
            k9s.AnnotatedTarget("deployment/web", "shop", auto, "nginx::8080:http, nginx::9090"),
            k9s.AnnotatedTarget("statefulset/db", "shop", asked, "5432"),
            k9s.AnnotatedTarget("pod/x", "shop", asked, "a::b::c"),
        ],
        "dev",
    )
    written = write(found, "namespace shop", "annotations of k9s")
    assert [*map(_line, _loaded(tmp_path, written.text).forwards.values())] == [
        "web-http shop/deployment/web:http 8080 dev",
        "web-9090 shop/deployment/web:9090 9090 dev",
        "db shop/statefulset/db:5432 5432 dev",
    ]
    assert written.left_out == ("k9scli.io/port-forwards of pod/x: 'a::b::c' is not understood",)
