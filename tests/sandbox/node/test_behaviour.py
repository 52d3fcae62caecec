import pytest

from kfw.sandbox.node.behaviour import Behaviour, behaviour
from kfw.sandbox.node.workloads import WORKLOADS, workload
from kfw.sandbox.objects import Object


def pod(annotations: dict[str, str] | None = None, **env: str) -> Object:
    said = {f"sandbox.kfw.dev/{key}": value for key, value in (annotations or {}).items()}
    box = {"name": "app", "env": [{"name": name, "value": value} for name, value in env.items()]}
    return {"metadata": {"annotations": said}, "spec": {"containers": [box]}}


def test_a_pod_that_says_nothing_behaves_as_usual() -> None:
    usual = Behaviour(start_after=7.0)
    assert behaviour(pod(), usual) == usual


def test_annotations_count_more_than_the_environment() -> None:
    found = behaviour(pod({"ready-after": "500ms"}, KFW_READY_AFTER="9s", KFW_DRAIN="1m"), Behaviour())
    assert (found.ready_after, found.drain) == (0.5, 60.0)


@pytest.mark.parametrize(
    ("text", "seconds"), [("2s", 2.0), ("1.5", 1.5), ("0s", 0.0), ("soon", None), ("", None)]
)
def test_durations_are_read_and_nonsense_is_ignored(text: str, seconds: float | None) -> None:
    assert behaviour(pod({"crash-after": text}), Behaviour()).crash_after == seconds


def test_readiness_can_be_taken_away() -> None:
    assert not behaviour(pod({"ready": "false"}), Behaviour()).ready
    assert not behaviour(pod(KFW_READY="false"), Behaviour()).ready
    assert behaviour(pod({"ready": "true"}, KFW_READY="false"), Behaviour()).ready


@pytest.mark.parametrize(
    "image", ["kfw/http", "kfw/http:1.2", "docker.io/kfw/http", "kfw/http@sha256:00", "kfw/http:1@sha256:0"]
)
def test_an_image_is_known_with_any_tag(image: str) -> None:
    assert workload(image) is WORKLOADS["kfw/http"]


def test_other_images_are_not_there() -> None:
    assert workload("nginx") is None
    assert workload("registry:5000/kfw/http") is None


def test_ports_can_be_closed_and_opened_late() -> None:
    assert not behaviour(pod({"listen": "false"}), Behaviour()).listen
    assert behaviour(pod({"listen": "true"}, KFW_LISTEN="false"), Behaviour()).listen
    assert behaviour(pod(KFW_LISTEN_AFTER="2s"), Behaviour()).listen_after == 2.0
