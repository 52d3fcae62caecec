"""The words after `kfw add`, in the orders in which people type them."""

import pytest

from kfw.commands._add_words import additions
from kfw.errors import UsageError


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("svc/web", ["web service/web None None"]),
        ("svc/web 8080:80", ["web service/web 8080 80"]),
        ("svc/web 80", ["web service/web 8080 80"]),
        ("svc/web 443", ["web service/web 8443 443"]),
        ("svc/web http", ["web service/web None http"]),
        ("svc/web :80", ["web service/web 0 80"]),
        ("shop svc/web", ["shop service/web None None"]),
        ("shop svc/web 9000:80", ["shop service/web 9000 80"]),
        ("shop web-0 8080", ["shop pod/web-0 8080 8080"]),
        ("deployment.apps/web", ["web deployment/web None None"]),
        ("deployments.v1.apps/web", ["web deployment/web None None"]),
        ("pod/db.v2", ["db-v2 pod/db.v2 None None"]),
        ("job/load 80", ["load job/load 8080 80"]),
        ("job.batch/load", ["load job/load None None"]),
        ("rs/web rc/old", ["web replicaset/web None None", "old replicationcontroller/old None None"]),
        ("pods/app=web 80", ["web pods/app=web 8080 80"]),
        (
            "pod/app.kubernetes.io/name=Web_UI,tier!=x",
            ["web-ui pods/app.kubernetes.io/name=Web_UI,tier!=x None None"],
        ),
        (
            "svc/a 80 svc/b svc/c 1:http",
            ["a service/a 8080 80", "b service/b None None", "c service/c 1 http"],
        ),
    ],
)
def test_the_target_names_what_is_not_named(line: str, told: list[str]) -> None:
    assert [f"{a.name} {a.target} {a.local} {a.remote}" for a in additions(line.split())] == told


@pytest.mark.parametrize(
    ("line", "what", "fix"),
    [
        ("web", "'web' does not say what to forward to", "kfw add svc/web"),
        ("web 8080:80", "'web' does not say what to forward to", "kfw add svc/web"),
        ("svc/web 80 81", "svc/web has a port already", "kfw add NAME svc/web 81"),
        ("svc/web deploy/web", "two targets would be named 'web'", "kfw add NAME TARGET"),
        (
            "web svc/web 80 81",
            "'81' is one argument too many for one forward",
            "several targets without a name",
        ),
        ("deployment.batch/web", "'deployment.batch' cannot be forwarded to", "use one of"),
        ("svc/app=web", "'svc/app=web' names a svc by labels", "write pods/app=web"),
        ("pods/app=(", "'app=(' does not select pods", "pods/app=web"),
        ("", "kfw add needs a target", "kfw targets"),
        ("svc/web 70000", "'70000' is not a port", "8080:80"),
        ("Web svc/web", "'Web' is not a name", "lower-case"),
    ],
)
def test_what_is_not_understood_says_what_to_type(line: str, what: str, fix: str) -> None:
    with pytest.raises(UsageError) as caught:
        additions(line.split())
    assert what in caught.value.what
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "web pods/app=web None None"),
        ("8080", "web pods/app=web 8080 8080"),
        ("shop 9000:80", "shop pods/app=web 9000 80"),
    ],
)
def test_labels_stand_for_a_target(line: str, told: str) -> None:
    [one] = additions(line.split(), "app=web")
    assert f"{one.name} {one.target} {one.local} {one.remote}" == told
    with pytest.raises(UsageError, match="-l already names the pods, and so does svc/web"):
        additions([*line.split(), "svc/web"], "app=web")
