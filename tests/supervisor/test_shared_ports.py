from kfw.names import RowId
from kfw.supervisor.plan import SharedPorts

SHOP, BLOG, WIKI = (
    RowId(project, "db") for project in ("/shop/kfw.yaml", "/blog/kfw.yaml", "/wiki/kfw.yaml")
)


def shares() -> SharedPorts:
    """What blog and wiki want is shop's."""
    made = SharedPorts()
    made.add({BLOG: SHOP, WIKI: SHOP})
    return made


def test_each_is_served_by_the_row_that_has_it_and_a_row_by_itself() -> None:
    assert [shares().holder(row) for row in (SHOP, BLOG, WIKI)] == [SHOP, SHOP, SHOP]


def test_who_wants_it_no_more_is_told_apart_from_what_is_a_row() -> None:
    made = shares()
    assert made.remove([SHOP, BLOG]) == [BLOG]
    assert made.items() == [(WIKI, SHOP)]


def test_a_row_that_ends_leaves_it_once_to_all_that_want_it() -> None:
    made = shares()
    assert made.end([SHOP]) == [(BLOG, SHOP), (WIKI, SHOP)]
    assert made.end([SHOP]) == made.items() == []


def test_a_row_that_becomes_that_of_a_sharer_serves_the_others_on() -> None:
    made = shares()
    made.move(SHOP, BLOG)
    assert made.items() == [(WIKI, BLOG)]
