"""One table of reasons: it is total, it holds each trait once, and no other module keeps a set of reasons."""

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import kfw
from kfw.client import _refused
from kfw.errors import ALL_ERRORS, KfwError
from kfw.model import Problem, problem_of
from kfw.protocol import ErrorReply, ForwardStatus
from kfw.reasons import TRAITS, About, Ask, Attempts, Reason, Status, Traits, exit_code_of

PACKAGE = Path(kfw.__file__).parent
TABLE = PACKAGE / "reasons.py"


def with_trait(name: str) -> set[str]:
    return {reason.value for reason in Reason if getattr(reason.traits, name)}


def test_every_reason_has_its_row_and_there_is_no_other() -> None:
    assert list(TRAITS) == list(Reason)


def test_no_trait_says_what_another_one_says() -> None:
    columns = [tuple(map(str, column)) for column in zip(*TRAITS.values(), strict=True)]
    groups = [tuple(map(column.index, column)) for column in columns]
    assert len(set(groups)) == len(Traits._fields), "two traits divide the reasons in the same way"


@pytest.mark.parametrize("kind", [About, Attempts, Ask])
def test_every_value_of_a_trait_is_some_reasons(kind: type[About] | type[Attempts] | type[Ask]) -> None:
    assert {value for traits in TRAITS.values() for value in traits if type(value) is kind} == set(kind)


def test_the_table_says_what_follows_from_each_reason() -> None:
    """Written down a second time, so that no trait changes by accident."""
    assert {reason.value: str(reason.traits.status) for reason in Reason if reason.traits.status} == {
        "port-in-use": "error",
        "target-not-found": "error",
        "target-port": "error",
        "no-node-port": "error",
        "not-permitted": "error",
        "context-not-found": "error",
        "tool-missing": "error",
        "bad-config": "error",
        "needs-root": "error",
        "app-refuses": "error",
        "cluster-unreachable": "suspended",
        "login-expired": "suspended",
    }
    assert {r.value: r.traits.status_after for r in Reason if r.traits.status_after} == {"app-refuses": 4}
    assert {r.value: r.traits.exit_code for r in Reason if r.traits.exit_code is not None} == {
        "internal": 1,
        "bad-config": 2,
        "context-not-found": 2,
        "cluster-unreachable": 4,
        "login-expired": 5,
        "login-pending": 5,
        "needs-root": 5,
        "not-permitted": 5,
        "port-in-use": 6,
        "timed-out": 7,
        "tool-missing": 8,
    }
    assert {r.value: r.traits.attempts.name for r in Reason if r.traits.attempts is not Attempts.USUAL} == {
        "port-in-use": "PARKED",
        "needs-root": "PARKED",
        "bad-config": "PARKED",
        "child-exited": "QUICK",
        "endpoint-gone": "QUICK",
        "user-restarted": "QUICK",
        "app-refuses": "SOON",
    }
    assert {r.value: r.traits.ask.name for r in Reason if r.traits.ask is not Ask.NO} == {
        "endpoint-gone": "EACH_TIME",
        "app-refuses": "ONCE",
    }
    blocks = {
        "cluster-unreachable",
        "login-expired",
        "not-permitted",
        "tool-missing",
        "context-not-found",
        "bad-config",
    }
    assert with_trait("blocks_api") == blocks | {"internal"}
    assert with_trait("keeps_path") == blocks | {"no-ready-pod", "app-refuses", "login-pending"}
    assert with_trait("of_one_pod") == {"endpoint-gone", "unhealthy", "app-refuses"}
    assert with_trait("awaits_pod") == {"endpoint-gone", "no-ready-pod"}
    assert with_trait("needs_person") == {"login-pending"}
    assert with_trait("if_environ_unknown") == {"login-expired", "tool-missing", "cluster-unreachable"}


def test_what_the_cluster_says_of_the_target_is_about_the_target() -> None:
    about = {reason: reason.traits.about for reason in Reason}
    assert {reason.value for reason in Reason if about[reason] is About.TARGET} == {
        "target-not-found",
        "target-port",
        "no-ready-pod",
        "no-node-port",
    }
    assert {reason.value for reason in Reason if about[reason] is About.CONFIG} == {
        "context-not-found",
        "bad-config",
    }


def test_the_exit_code_of_a_reason_without_one_is_the_callers() -> None:
    assert exit_code_of(Reason.NO_READY_POD, 7) == 7
    assert exit_code_of(Reason.NO_READY_POD) == 1
    assert exit_code_of(Reason.INTERNAL, 7) == 1


@pytest.mark.parametrize("kind", ALL_ERRORS)
def test_an_error_has_the_exit_code_of_its_reason_unless_it_has_none(kind: type[KfwError]) -> None:
    if "default_reason" in vars(kind):
        assert kind.exit_code == exit_code_of(kind.default_reason)


# -- what is not in the list


@pytest.mark.parametrize("unknown", ["", "port_in_use", "PORT-IN-USE", "out-of-cheese", "internal "])
def test_a_reason_that_does_not_exist_is_an_error_wherever_it_comes_from(unknown: str) -> None:
    with pytest.raises(ValueError, match="is not a valid Reason"):
        KfwError("x", reason=unknown)
    for shape, data in (
        (ErrorReply, {"what": "x", "reason": unknown}),
        (ForwardStatus, {**_ROW, "reason": unknown}),
    ):
        with pytest.raises(msgspec.ValidationError, match="Invalid enum value"):
            msgspec.convert(data, shape)


def test_a_refusal_whose_reason_this_kfw_does_not_know_is_said_to_be_of_another_version() -> None:
    error = _refused(409, b'{"what": "x", "reason": "out-of-cheese", "exitCode": 6}')
    assert "cannot understand the daemon's answer: HTTP 409" in error.what
    assert "out-of-cheese" in error.what
    assert "another version" in error.fix
    assert _refused(409, b'{"what": "x", "reason": "port-in-use", "exitCode": 6}').what == "x"


_ROW = {
    "name": "api",
    "status": "error",
    "context": "dev",
    "namespace": "shop",
    "target": "service/api",
    "method": "auto",
    "localPort": 1,
    "configuredPort": 1,
    "since": "2026-01-01T00:00:00Z",
}


def test_an_errors_reason_becomes_the_problems() -> None:
    for reason in Reason:
        assert problem_of(KfwError("what", "fix", reason=reason.value)) == Problem(reason, "what", "fix")


# -- every reader reads the table


def test_no_other_module_has_a_set_of_reasons_of_its_own() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != TABLE
        for line in sets_of_reasons(path.read_text())
    ]
    assert not found, "which is a trait: add it to kfw/reasons.py"


@pytest.mark.parametrize(
    "code",
    [
        "A = frozenset({Reason.BAD_CONFIG, Reason.INTERNAL})",
        "A = (Reason.BAD_CONFIG, Reason.INTERNAL)",
        "A = [model.Reason.BAD_CONFIG, model.Reason.INTERNAL]",
        "A = {Reason.BAD_CONFIG: 2, Reason.INTERNAL: 1}",
        "A = {'bad-config': 2, 'internal': 1}",
        "A = {'bad-config', 'port-in-use'}",
        "x is Reason.BAD_CONFIG or x is Reason.INTERNAL",
        "y and x == Reason.BAD_CONFIG or x == 'port-in-use'",
        "x is not Reason.BAD_CONFIG and x is not Reason.INTERNAL",
        "match x:\n    case Reason.BAD_CONFIG | Reason.INTERNAL:\n        pass",
    ],
)
def test_a_set_of_reasons_is_found_in_each_of_its_shapes(code: str) -> None:
    assert list(sets_of_reasons(code)) == [1 if not code.startswith("match") else 2]


def sets_of_reasons(code: str) -> Iterator[int]:
    """Lines where two reasons or more stand beside each other: as members, as keys, or as what one thing is compared to."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Set(elts) | ast.Tuple(elts) | ast.List(elts):
                named = [_reason(element) for element in elts]
            case ast.Dict(keys):
                named = [_reason(key) for key in keys]
            case ast.BoolOp(values=values):
                compared = [
                    part for value in values for part in ast.walk(value) if isinstance(part, ast.Compare)
                ]
                named = [_reason(one) for part in compared for one in part.comparators]
            case ast.MatchOr(patterns):
                named = [_reason(one.value) for one in patterns if isinstance(one, ast.MatchValue)]
            case _:
                continue
        if len(set(named) - {None}) > 1:
            yield node.lineno


def _reason(node: ast.expr | None) -> str | None:
    match node:
        case ast.Attribute(ast.Name("Reason") | ast.Attribute(attr="Reason"), member):
            return member if member in Reason.__members__ else None
        case ast.Constant(str(text)) if text in {reason.value for reason in Reason}:
            return Reason(text).name
    return None


def test_statuses_that_kfw_shows_for_a_reason_are_those_of_trouble() -> None:
    assert {traits.status for traits in TRAITS.values()} == {None, Status.ERROR, Status.SUSPENDED}
