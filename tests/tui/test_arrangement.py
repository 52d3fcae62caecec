"""Which forwards are shown, in which order, under which heading."""

import random
from typing import Any

import pytest

from kfw.tui.arrangement import FIELDS, GROUPS, SORTS, GroupLine, ListOptions, arrange
from kfw.tui.rows import LiveForward, epoch
from tests.client.fake_daemon import row

STATUSES = ("starting", "active", "degraded", "reconnecting", "suspended", "error", "stopped", "disabled")


def live(name: str, status: str = "active", **more: Any) -> LiveForward:
    data = row(name, status, **more)
    return LiveForward(data, epoch(data["since"]))


def some(seed: int) -> list[LiveForward]:
    chance = random.Random(seed)
    return [
        live(
            f"f{number}",
            chance.choice(STATUSES),
            localPort=chance.randrange(1024, 60000),
            context=chance.choice(["dev", "prod"]),
            profile=chance.choice([None, "a", "b"]),
            project=chance.choice(["/x/kfw.yaml", "/y/kfw.yaml", "added"]),
            connections=chance.randrange(4),
            url=None,
        )
        for number in range(30)
    ]


def names(lines: list[Any]) -> list[str]:
    return [line.name for line in lines if isinstance(line, LiveForward)]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("reverse", [False, True])
def test_K26_every_column_sorts_all_rows_and_equal_ones_keep_their_order(sort: str, reverse: bool) -> None:
    forwards = some(seed=7)
    found = arrange(forwards, ListOptions(sort=sort, reverse=reverse))
    keys = [SORTS[sort](one) for one in found if isinstance(one, LiveForward)]
    assert keys == sorted(keys, reverse=reverse)
    assert sorted(names(found)) == sorted(one.name for one in forwards)
    for key in set(keys):
        alike = [one.name for one in found if isinstance(one, LiveForward) and SORTS[sort](one) == key]
        assert alike == [one.name for one in forwards if SORTS[sort](one) == key]


def test_by_status_what_needs_the_user_comes_first() -> None:
    forwards = [live(status, status) for status in STATUSES]
    assert names(arrange(forwards, ListOptions(sort="STATUS")))[:2] == ["error", "suspended"]
    assert names(arrange(forwards, ListOptions(sort="STATUS")))[-3:] == ["active", "stopped", "disabled"]


@pytest.mark.parametrize("group", GROUPS)
def test_every_forward_stands_once_below_its_own_heading(group: str) -> None:
    forwards = some(seed=11)
    title, seen = "", []
    for line in arrange(forwards, ListOptions(group=group, sort="NAME")):
        if isinstance(line, GroupLine):
            assert line.title > title
            title = line.title
            assert line.below == sum(GROUPS[group](one) == title for one in forwards)
        else:
            assert GROUPS[group](line) == title
            seen.append(line.name)
    assert sorted(seen) == sorted(one.name for one in forwards)


def test_a_project_is_called_as_its_folder_and_what_was_added_by_hand_has_a_name() -> None:
    sources = {"/home/ada/shop/kfw.yaml": "/home/ada/shop", "added": "added by hand", "": "no project"}
    assert {key: GROUPS["project"](live("a", project=key)) for key in sources} == sources


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", ["api", "api-db", "web"]),
        ("api", ["api", "api-db"]),
        ("API db", ["api-db"]),
        ("9090", ["web"]),
        ("service/web", ["web"]),
        ("status:error", ["web"]),
        ("status:err api", []),
        ("cluster:prod", ["api-db"]),
        ("cluster:prod status:active", ["api-db"]),
        ("is:bad", ["web"]),
        ("nothing:at", []),
    ],
)
def test_a_search_finds_what_has_all_of_its_words(search: str, found: list[str]) -> None:
    forwards = [
        live("api"),
        live("api-db", context="prod"),
        live("web", "error", localPort=9090, reason="port-in-use"),
    ]
    assert names(arrange(forwards, ListOptions(search=search))) == found


@pytest.mark.parametrize("field", FIELDS)
def test_a_word_with_a_field_looks_in_that_field_only(field: str) -> None:
    one = live(
        "name-x", "error", context="cluster-x", profile="profile-x", namespace="namespace-x", method="tunnel",
        project="/x/kfw.yaml",
    )  # fmt: skip
    text = FIELDS[field](one).lower()
    assert names(arrange([one], ListOptions(search=f"{field}:{text}"))) == (
        [one.name] if " " not in text else []
    )
    assert names(arrange([one], ListOptions(search=f"{field}:qqq"))) == []
