"""What a dry run does, and what it leaves out."""

import pytest

from kfw.errors import KfwError
from tests.quickstart.world import Machine


def test_a_dry_run_shows_every_line_and_does_none_that_changes_something() -> None:
    machine = Machine()
    machine.says("kind get clusters", "dev\n")
    steps = machine.steps(dry=True)
    assert steps.ask(["kind", "get", "clusters"]).out == "dev\n"
    steps.do(["kind", "create", "cluster", "--name", "a b"])
    assert steps.ourselves(["up", "api"]) == 0
    assert machine.ran == ["kind get clusters"]
    assert machine.shown == ["kind get clusters", "kind create cluster --name 'a b'", "kfw up api"]
    assert machine.kfw == []


def test_after_a_deed_that_was_left_out_questions_are_answered_by_what_is_assumed() -> None:
    machine = Machine()
    steps = machine.steps(dry=True)
    steps.do(["kind", "create", "cluster"])
    assert steps.ask(["kubectl", "get", "--raw", "/readyz"], assume="ok").out == "ok"
    assert machine.ran == []


def test_a_deed_that_only_renews_leaves_the_world_as_it_is() -> None:
    machine = Machine()
    machine.says("kubectl get nodes", "two")
    steps = machine.steps(dry=True)
    steps.do(["kind", "export", "kubeconfig"], again=True)
    assert steps.ask(["kubectl", "get", "nodes"]).out == "two"


def test_what_must_be_and_fails_is_told_in_the_tools_words_with_the_line() -> None:
    machine = Machine()
    machine.fails("docker start web", "Error: no such container: web")
    with pytest.raises(KfwError) as caught:
        machine.steps().must(["docker", "start", "web"], "cannot start web")
    assert caught.value.what == "cannot start web: Error: no such container: web"
    assert caught.value.fix == "docker start web"


def test_verbose_shows_the_lines_as_they_run() -> None:
    machine = Machine()
    machine.says("docker version")
    machine.steps(verbose=True).ask(["docker", "version"])
    assert machine.said == ["$ docker version"]
