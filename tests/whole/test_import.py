"""kfw config import --from k9s, on the sandbox's pods."""

from kfw.sandbox.manifests import deployment, pod
from kfw.sandbox.objects import Object
from tests.whole.place import Place
from tests.whole.program import Program

AUTO = "k9scli.io/auto-port-forwards"


def annotated(made: Object, value: str) -> Object:
    """In its template, as people write it."""
    made["spec"]["template"]["metadata"]["annotations"] = {AUTO: value}
    return made


def test_annotations_of_k9s_become_a_forward_of_their_workload(
    kfw: Program, shared: Place, namespace: str
) -> None:
    shared.apply(
        annotated(deployment(namespace, "web", replicas=2, ports={"http": 8080}), "app::9080:http"),
        deployment(namespace, "plain", ports={"http": 8080}),
        pod(namespace, "alone", ports={"http": 8080}, annotations={AUTO: "8080"}),
    )
    shown = kfw("config", "import", "--from", "k9s", "-n", namespace).stdout
    assert shown.endswith(
        f"portForwards:\n  # {AUTO} container app\n  web:\n    target: deployment/web\n"
        f"    targetPort: http\n    localPort: 9080\n    namespace: {namespace}\n"
        f"  # {AUTO}\n  alone:\n    target: pod/alone\n"
        f"    targetPort: 8080\n    localPort: 8080\n    namespace: {namespace}\n"
    )
