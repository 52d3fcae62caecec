from dataclasses import replace

from kfw.model import Forward, Target
from kfw.supervisor.plan import Plan, keep_pins, only_in, only_moves, plan


def forward(name: str, **changes: object) -> Forward:
    base = Forward(name, Target.parse(f"svc/{name}"), 80, 8080, context="one", source="kfw.yaml")
    return replace(base, **changes)  # type: ignore[arg-type]


def by_name(*forwards: Forward) -> dict[str, Forward]:
    return {f.name: f for f in forwards}


def test_what_is_new_starts_what_changed_restarts_and_the_rest_is_left_alone() -> None:
    running = by_name(forward("a"), forward("b"))
    wanted = by_name(forward("a"), forward("b", local_port=9), forward("c"))
    assert plan(running, wanted, replaces=None) == Plan((), ("c",), ("b",), ("a",))


def test_only_forwards_of_the_replaced_source_end() -> None:
    running = by_name(forward("a"), forward("gone"), forward("other", source="elsewhere.yaml"))
    assert plan(running, by_name(forward("a")), replaces="kfw.yaml").stop == ("gone",)


def test_nothing_ends_when_names_were_given() -> None:
    assert plan(by_name(forward("a")), by_name(forward("b")), replaces=None).stop == ()


def test_only_what_is_in_the_context_before_or_afterwards_is_touched() -> None:
    there = {"context": "two"}
    running = by_name(forward("a"), forward("gone"), forward("b", **there), forward("gone-there", **there))
    wanted = by_name(
        forward("a", local_port=1),
        forward("b", local_port=2, **there),
        forward("new"),
        forward("new-there", **there),
    )
    here = plan(running, only_in("one", running, wanted), replaces="kfw.yaml", context="one")
    assert here == Plan(stop=("gone",), start=("new",), restart=("a",), keep=())
    moved = by_name(forward("a", **there), forward("b"))
    assert [*only_in("one", running, moved)] == [*only_in("two", running, moved)] == ["a", "b"]
    assert only_in("", running, wanted) == wanted


def test_A9_a_forward_without_a_context_of_its_own_stays_in_its_cluster() -> None:
    running = by_name(forward("a", context_is_default=True, namespace_is_default=True, namespace="x"))
    wanted = by_name(
        forward("a", context="two", context_is_default=True, namespace_is_default=True, namespace="y")
    )
    assert keep_pins(running, wanted)["a"] == running["a"]


def test_another_kubeconfig_is_a_wish_and_is_obeyed() -> None:
    running = by_name(forward("a", context_is_default=True, kubeconfig=("/one",)))
    wanted = by_name(forward("a", context_is_default=True, kubeconfig=("/two",), context="two"))
    assert keep_pins(running, wanted) == wanted


def test_a_context_that_the_user_names_is_obeyed() -> None:
    running = by_name(forward("a", context_is_default=True))
    wanted = by_name(forward("a", context="two"))
    assert keep_pins(running, wanted)["a"].context == "two"


def test_a_changed_namespace_is_obeyed_although_the_context_is_kept() -> None:
    running = by_name(forward("a", context_is_default=True, namespace_is_default=True))
    wanted = by_name(forward("a", context="two", context_is_default=True, namespace="shop"))
    kept = keep_pins(running, wanted)["a"]
    assert (kept.context, kept.namespace) == ("one", "shop")


def test_A9_what_follows_goes_where_the_current_context_goes_and_this_alone_is_a_move() -> None:
    old = forward("a", context_follows=True, context_is_default=True, namespace_is_default=True)
    new = replace(old, context="two", namespace="y")
    assert keep_pins(by_name(old), by_name(new)) == by_name(new)
    assert only_moves(old, new)
    for more in ({"local_port": 9}, {"hold": 1.0}, {"method": "kubefwd"}, {"enabled": False}):
        assert not only_moves(old, replace(new, **more))  # type: ignore[arg-type]
    assert not only_moves(replace(old, method="kubefwd"), replace(new, method="kubefwd"))
    assert not only_moves(replace(old, context_follows=False), replace(new, context_follows=False))


def test_A9_who_begins_or_ends_to_follow_is_no_mere_move() -> None:
    pinned = forward("a", context_is_default=True)
    follows = replace(pinned, context_follows=True, context="two")
    assert not only_moves(pinned, follows) and not only_moves(follows, pinned)
