"""kfw add --save, kfw remove --save and kfw config edit, as people use them on the kfw.yaml of their project."""

from collections.abc import Callable

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.whole.place import Place
from tests.whole.program import Program

Ports = Callable[[int], list[int]]

_BEFORE = """\
# Ours.
defaults: {{namespace: {namespace}}}   # all of them

portForwards:
    api: {{ target: service/api,  localPort: {port}, enabled: false }}   # why

# Sets of forwards
profiles:
"""


def _app(shared: Place, namespace: str) -> None:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http", 8080)),
    )


def test_what_is_added_and_saved_is_the_files_without_a_restart(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    _app(shared, namespace)
    other, free = ports(2)
    file = kfw.project / "kfw.yaml"
    before = _BEFORE.format(namespace=namespace, port=other)
    file.write_text(before)
    seen = kfw.seq()
    done = kfw("add", "web", "svc/web", f"{free}:http", "--save")
    assert "saved in kfw.yaml: web" in done.stderr
    added = f"    web: {{target: service/web, targetPort: http, localPort: {free}, type: web}}\n"
    assert file.read_text() == before.replace("# why\n", f"# why\n{added}")
    assert talk.pod_behind(free).startswith("web-")
    kfw("reload")
    assert [row["status"] for row in kfw.history("web", seen)] == ["starting", "active"]
    done = kfw("remove", "web", "--save")
    assert "removed from kfw.yaml: web" in done.stderr
    assert file.read_text() == before
    assert kfw.status("web") == {}


def test_what_does_not_come_up_is_not_saved(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    _app(shared, namespace)
    [free] = ports(1)
    done = kfw("add", "svc/wbe", f"{free}:http", "-n", namespace, "--save", code=1)
    assert "not saved in kfw.yaml" in done.stderr
    assert not (kfw.project / "kfw.yaml").exists()
    kfw("add", "wbe", "svc/web", f"{free}:http", "-n", namespace, "--save")
    assert (kfw.project / "kfw.yaml").read_text() == (
        "portForwards:\n  wbe:\n    target: service/web\n    targetPort: http\n"
        f"    localPort: {free}\n    namespace: {namespace}\n    type: web\n"
    )


def test_what_was_added_before_can_be_saved_by_the_same_line(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    _app(shared, namespace)
    [free] = ports(1)
    seen = kfw.seq()
    words = ("add", "web", "svc/web", f"{free}:http", "-n", namespace)
    kfw(*words)
    kfw(*words, "--save")
    assert [row["status"] for row in kfw.history("web", seen)] == ["starting", "active"]
    assert "web" in kfw("down").stderr  # as of any forward of this project
