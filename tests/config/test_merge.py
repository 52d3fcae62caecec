from kfw.config.merge import BAD, Branch, Leaf, merge, origins, plain
from kfw.config.tree import Place


def leaf(value: int, line: int = 1) -> Leaf:
    return Leaf(value, Place("f", line, 1, "project"))


def branch(**children: Leaf | Branch) -> Branch:
    return Branch(Place("f"), children)


def test_later_wins_field_by_field() -> None:
    low = branch(a=leaf(1), b=branch(c=leaf(2), d=leaf(3)))
    high = branch(b=branch(c=leaf(4), e=leaf(5)), f=leaf(6))
    assert plain(merge(low, high)) == {"a": 1, "b": {"c": 4, "d": 3, "e": 5}, "f": 6}


def test_merging_changes_neither_layer() -> None:
    low, high = branch(b=branch(c=leaf(1))), branch(b=branch(c=leaf(2)))
    merge(low, high)
    assert (plain(low), plain(high)) == ({"b": {"c": 1}}, {"b": {"c": 2}})


def test_a_list_is_one_value() -> None:
    lists = [branch(a=Leaf([name], Place("f"))) for name in ("x", "y")]
    assert plain(merge(*lists)) == {"a": ["y"]}


def test_a_wrong_value_hides_what_lies_below_it_and_is_no_value() -> None:
    merged = merge(
        branch(a=branch(b=leaf(1)), c=leaf(2)), branch(a=Leaf(BAD, Place("f")), c=Leaf(BAD, Place("f")))
    )
    assert merged.branch("a").children == {}
    assert merged.value("c", int) is None
    assert merged.is_bad("c")
    assert not merged.is_bad("d")


def test_each_value_knows_its_origin() -> None:
    assert origins(merge(branch(a=leaf(1, 3), b=branch(c=leaf(2, 4))), branch(a=leaf(5, 6)))) == {
        "a": "project f:6",
        "b.c": "project f:4",
    }
