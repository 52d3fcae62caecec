"""`collector:` of a config: what it comes to, and what is wrong with it."""

import pytest

from kfw.config.collector_block import (
    CollectorSettings,
    Figure,
    FigureQuestion,
    ServerAccess,
    WorkspaceList,
    filled,
)
from tests.config.fakes import DATA, Project


def test_A23_the_block_of_kportforward_is_four_questions(project: Project) -> None:
    made = project.load(DATA / "seed_000_collector.yaml").collector
    assert made.tenants == ("org_Tyb41GMYkQJud6uf",)
    assert made.workspaces == WorkspaceList(
        FigureQuestion(address="http://localhost:50800", path="/api/environment/{tenant}")
    )
    assert [(figure.name, figure.question.address, figure.question.method) for figure in made.figures] == [
        ("component_count", "localhost:50100", "GetMetadata"),
        ("relationship_count", "localhost:50100", "GetMetadata"),
        ("recommendation_count", "localhost:50106", "ListRecommendations"),
        ("requirements_count", "localhost:50109", "ListRequirementsAvailable"),
    ]
    assert (made.format, made.destination) == ("json", "stdout")


@pytest.mark.parametrize(
    "address",
    [
        "forward: x",
        "host: 'localhost:1'",
        "host: '127.0.0.2:1'",
        "host: '[::1]:1'",
        "host: 'x:1', tls: true",
    ],
)
def test_a_token_goes_to_this_machine_or_over_tls(project: Project, address: str) -> None:
    project.write("kfw.yaml", f"collector: {{services: {{requirements: {{{address}, tokenEnv: A}}}}}}\n")
    access = project.load().collector.figures[0].question.access
    assert access == ServerAccess(tls="tls" in address, token_env="A")


def test_without_a_block_there_is_nothing_to_ask(project: Project) -> None:
    assert project.load().collector == CollectorSettings()


def test_figures_of_ones_own(project: Project) -> None:
    project.write("kfw.yaml", "collector: {metrics: {n_1: {forward: shop, path: /x, value: '$.a[0].b'}}}\n")
    question = FigureQuestion(forward="shop", path="/x")
    assert project.load().collector.figures == (Figure("n_1", question, ("a", 0, "b")),)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (
            "services: {recommendations: {method: X}}",
            "has no address, write forward: and the name of a forward",
        ),
        (
            "services: {environment: {url: 'http://x', forward: y}}",
            "has both forward and url, keep one of them",
        ),
        ("metrics: {n: {forward: x, value: $}}", "needs either a path or a method"),
        ("metrics: {n: {forward: x, path: /x, method: X, value: $}}", "needs either a path or a method"),
        (
            "metrics: {n: {url: 'http://x', method: X, value: $}}",
            "has a method and no host, write host: instead",
        ),
        ("metrics: {n: {forward: x, path: /x}}", "has no value, write for example value: $.total"),
        ("metrics: {N: {forward: x, path: /x, value: $}}", "use lower-case letters, digits and '_'"),
        ("metrics: {n: {forward: x, path: /x, value: $..y}}", "which cannot be read from '..y' on"),
        ("metrics: {n: {forward: x, method: X, request: '[1', value: $}}", "write JSON such as"),
        (
            "services: {environment: {url: 'https://x', tls: true}}",
            "has both url and tls, write https:// in url",
        ),
        (
            "services: {recommendations: {host: 'x:1', caFile: /ca}}",
            "has a caFile and no TLS, write tls: true",
        ),
        ("services: {recommendations: {forward: x, serverName: y}}", "has a serverName and no TLS"),
        ("services: {recommendations: {forward: x, tokenHeader: y}}", "has a tokenHeader and no token"),
        (
            "services: {recommendations: {forward: x, tokenEnv: A, tokenFile: /t}}",
            "has both tokenEnv and tokenFile",
        ),
        ("services: {recommendations: {host: 'x:1', tokenEnv: A}}", "would send its token to x without TLS"),
        (
            "services: {environment: {url: 'http://x:1/y', tokenEnv: A}}",
            "would send its token to x without TLS",
        ),
        ("tenants: acme", "write a list of ids"),
        ("bucketDuration: 0", "write a time of at least 1s"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(project: Project, block: str, said: str) -> None:
    (problem,) = project.problems(f"collector: {{{block}}}\n")
    assert problem.startswith("kfw.yaml:1:")
    assert said in problem


@pytest.mark.parametrize("value", ['"', "\\", "{tenant}", "{workspace}", "a/b?c#d"])
def test_an_id_cannot_leave_its_place_in_a_request(value: str) -> None:
    template = {"a": "{tenant}", "b": [{"c": "x-{tenant}"}], "d": 1}
    made = filled(template, {"tenant": value})
    assert made["d"] == 1
    assert made.keys() == template.keys()
    if "{" not in value:
        assert made == {"a": value, "b": [{"c": f"x-{value}"}], "d": 1}
