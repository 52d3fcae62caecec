import pytest

from kfw.model import Kind, Target
from tests.config.fakes import DATA, Project


def test_seed_003_a_kudev_config_becomes_the_forward_to_its_service(project: Project) -> None:
    """The fields that a .kudev.yaml has; kudev forwards localPort to servicePort of the app."""
    path = DATA / "seed_003_kudev.yaml"
    settings = project.load(path)
    forward = settings.forwards["my-app"]
    assert forward.target == Target(Kind.SERVICE, "my-app")
    assert (forward.local_port, forward.target_port, forward.namespace) == (8081, 8080, "dev")
    assert (forward.context, forward.source) == ("kind-dev", str(path))
    assert settings.origin["portForwards.my-app.localPort"] == f"config {path}:10"


def test_kudevs_own_defaults_hold_for_what_it_does_not_say(project: Project) -> None:
    path = project.write(
        ".kudev.yaml",
        "apiVersion: kudev.io/v1alpha1\nkind: DeploymentConfig\nmetadata: {name: app}\nspec: {imageName: app}\n",
    )
    forward = project.load(path).forwards["app"]
    assert (forward.local_port, forward.target_port, forward.namespace, forward.context) == (
        8080,
        8080,
        "default",
        "",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "apiVersion: kudev.io/v2\nkind: DeploymentConfig\n",
            "1:13: apiVersion is 'kudev.io/v2', kfw reads apiVersion: kudev.io/v1alpha1",
        ),
        ("apiVersion: kudev.io/v1alpha1\n", "1:1: kind is missing, kfw reads kind: DeploymentConfig"),
        (
            "apiVersion: kudev.io/v1alpha1\nkind: Other\n",
            "2:7: kind is 'Other', kfw reads kind: DeploymentConfig",
        ),
        (
            "apiVersion: kudev.io/v1alpha1\nkind: DeploymentConfig\nmetadata: {}\n",
            "3:11: metadata.name is missing, write the name of the app",
        ),
        (
            "apiVersion: kudev.io/v1alpha1\nkind: DeploymentConfig\nmetadata: {name: app}\nspec:\n  localPort: 70000\n",
            "5:14: portForwards.app.localPort is 70000, write a port from 0 to 65535",
        ),
        (
            "apiVersion: kudev.io/v1alpha1\nkind: DeploymentConfig\nmetadata: {name: My_App}\n",
            "3:18: the name 'My_App' in portForwards cannot be used, "
            "use lower-case letters, digits and '-', at most 63, for example my-app\n"
            "3:18: portForwards.My_App.target is 'service/My_App', write for example service/api",
        ),
    ],
)
def test_mistakes_in_a_kudev_config_keep_their_places(project: Project, text: str, problem: str) -> None:
    assert project.problems(text) == [f"kfw.yaml:{one}" for one in problem.split("\n")]


def test_an_object_of_another_kind_of_kubernetes_is_no_kudev_config(project: Project) -> None:
    assert "unknown key 'apiVersion'" in project.problems("apiVersion: v1\nkind: Service\n")[0]
