from dataclasses import replace

from kfw.model import Forward, Target
from kfw.names import RowId
from kfw.supervisor.plan import Plan, keep_pins, only_in, only_moves, plan, shared_rows


def forward(name: str, **changes: object) -> Forward:
    base = Forward(name, Target.parse(f"svc/{name}"), 80, 8080, context="one", source="kfw.yaml")
    return replace(base, **changes)  # type: ignore[arg-type]


def row(name: str, project: str = "kfw.yaml") -> RowId:
    return RowId(project, name)


def by_id(*forwards: Forward) -> dict[RowId, Forward]:
    return {f.id: f for f in forwards}


def test_what_is_new_starts_what_changed_restarts_and_the_rest_is_left_alone() -> None:
    running = by_id(forward("a"), forward("b"))
    wanted = by_id(forward("a"), forward("b", local_port=9), forward("c"))
    assert plan(running, wanted, replaces=None) == Plan((), (row("c"),), (row("b"),), (row("a"),))


def test_only_forwards_of_the_replaced_source_end() -> None:
    running = by_id(forward("a"), forward("gone"), forward("other", source="elsewhere.yaml"))
    assert plan(running, by_id(forward("a")), replaces="kfw.yaml").stop == (row("gone"),)


def test_nothing_ends_when_names_were_given() -> None:
    assert plan(by_id(forward("a")), by_id(forward("b")), replaces=None).stop == ()


def test_only_what_is_in_the_context_before_or_afterwards_is_touched() -> None:
    there = {"context": "two"}
    running = by_id(forward("a"), forward("gone"), forward("b", **there), forward("gone-there", **there))
    wanted = by_id(
        forward("a", local_port=1),
        forward("b", local_port=2, **there),
        forward("new"),
        forward("new-there", **there),
    )
    here = plan(running, only_in("one", running, wanted), replaces="kfw.yaml", context="one")
    assert here == Plan(stop=(row("gone"),), start=(row("new"),), restart=(row("a"),))
    moved = by_id(forward("a", **there), forward("b"))
    assert [*only_in("one", running, moved)] == [*only_in("two", running, moved)] == [row("a"), row("b")]
    assert only_in("", running, wanted) == wanted


def test_A9_a_forward_without_a_context_of_its_own_stays_in_its_cluster() -> None:
    running = by_id(forward("a", context_is_default=True, namespace_is_default=True, namespace="x"))
    wanted = by_id(
        forward("a", context="two", context_is_default=True, namespace_is_default=True, namespace="y")
    )
    assert keep_pins(running, wanted)[row("a")] == running[row("a")]


def test_another_kubeconfig_is_a_wish_and_is_obeyed() -> None:
    running = by_id(forward("a", context_is_default=True, kubeconfig=("/one",)))
    wanted = by_id(forward("a", context_is_default=True, kubeconfig=("/two",), context="two"))
    assert keep_pins(running, wanted) == wanted


def test_a_context_that_the_user_names_is_obeyed() -> None:
    running = by_id(forward("a", context_is_default=True))
    wanted = by_id(forward("a", context="two"))
    assert keep_pins(running, wanted)[row("a")].context == "two"


def test_a_changed_namespace_is_obeyed_although_the_context_is_kept() -> None:
    running = by_id(forward("a", context_is_default=True, namespace_is_default=True))
    wanted = by_id(forward("a", context="two", context_is_default=True, namespace="shop"))
    kept = keep_pins(running, wanted)[row("a")]
    assert (kept.context, kept.namespace) == ("one", "shop")


def test_A9_what_follows_goes_where_the_current_context_goes_and_this_alone_is_a_move() -> None:
    old = forward("a", context_follows=True, context_is_default=True, namespace_is_default=True)
    new = replace(old, context="two", namespace="y")
    assert keep_pins(by_id(old), by_id(new)) == by_id(new)
    assert only_moves(old, new)
    for more in ({"local_port": 9}, {"hold": 1.0}, {"method": "kubefwd"}, {"enabled": False}):
        assert not only_moves(old, replace(new, **more))  # type: ignore[arg-type]
    assert not only_moves(replace(old, method="kubefwd"), replace(new, method="kubefwd"))
    assert not only_moves(replace(old, context_follows=False), replace(new, context_follows=False))


def test_A9_who_begins_or_ends_to_follow_is_no_mere_move() -> None:
    pinned = forward("a", context_is_default=True)
    follows = replace(pinned, context_follows=True, context="two")
    assert not only_moves(pinned, follows) and not only_moves(follows, pinned)


def test_two_projects_may_have_the_same_name_and_neither_is_the_others_change() -> None:
    running = by_id(forward("a"))
    wanted = by_id(forward("a", source="other.yaml", local_port=9))
    done = plan(running, wanted, replaces="other.yaml")
    assert done == Plan(start=(row("a", "other.yaml"),))
    assert keep_pins(running, wanted) == wanted


def test_what_another_project_has_word_for_word_is_shared_and_anything_else_is_not() -> None:
    running = by_id(forward("a"), forward("off", enabled=False))
    same = forward("a", source="other.yaml")
    assert shared_rows(running, by_id(same)) == {same.id: row("a")}
    others: dict[str, object] = {"target_port": 81, "local_port": 9, "context": "two", "enabled": False}
    for key, value in others.items():
        assert shared_rows(running, by_id(replace(same, **{key: value}))) == {}, key  # type: ignore[arg-type]
    assert shared_rows(running, by_id(forward("off", source="other.yaml"))) == {}
    any_port = by_id(forward("a", local_port=0))
    assert shared_rows(any_port, by_id(replace(same, local_port=0))) == {}, "each can have its own port"


def test_of_two_that_come_at_once_the_second_shares_the_first() -> None:
    both = by_id(forward("a"), forward("a", source="other.yaml"))
    assert shared_rows({}, both) == {row("a", "other.yaml"): row("a")}
    assert shared_rows(both, both) == {}, "each of them has its row already"
