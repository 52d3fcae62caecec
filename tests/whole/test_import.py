"""kfw config import --from k9s, on the sandbox's pods."""

from kfw.sandbox.manifests import deployment
from kfw.sandbox.objects import Object
from tests.whole.place import Place
from tests.whole.program import Program


def test_annotations_of_k9s_become_a_forward_of_their_workload(
    kfw: Program, shared: Place, namespace: str
) -> None:
    shared.apply(
        deployment(namespace, "web", replicas=2, ports={"http": 8080}),
        deployment(namespace, "plain", ports={}),
    )

    def annotated(pod: Object) -> Object:
        said = {"k9scli.io/auto-port-forwards": "app::9080:http"}
        return {**pod, "metadata": {**pod["metadata"], "annotations": said}}

    for name in shared.pods(namespace, "web"):
        shared.do(lambda sandbox, name=name: sandbox.change("pods", namespace, name, annotated))
    shown = kfw("config", "import", "--from", "k9s", "-n", namespace).stdout
    assert shown.endswith(
        "portForwards:\n  # k9scli.io/auto-port-forwards container app\n  web:\n    target: deployment/web\n"
        f"    targetPort: http\n    localPort: 9080\n    namespace: {namespace}\n"
    )
