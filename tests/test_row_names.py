"""What forwards are called, and which one a word on the command line means."""

import random

import pytest

from kfw.names import DisplayNames, RowId, RowName, completable, probably_row, select_rows, short_projects

SHOP, BLOG = "/home/ada/shop/kfw.yaml", "/home/ada/blog/kfw.yaml"
API, DB = RowId(SHOP, "api"), RowId(SHOP, "db")
THEIRS, WEB = RowId(BLOG, "api"), RowId(BLOG, "web")
ROWS: dict[RowId, str | None] = {API: "dev", DB: None, THEIRS: None, WEB: "dev"}


def meant(word: str, caller: str = "") -> list[RowId]:
    chosen = select_rows([word], ROWS, caller)
    return [row for row, profile in ROWS.items() if chosen.has(row, profile)]


@pytest.mark.parametrize(
    ("word", "caller", "rows"),
    [
        ("api", SHOP, [API]),
        ("api", BLOG, [THEIRS]),
        ("db", BLOG, [DB]),  # only one has it
        ("web", "", [WEB]),
        ("shop/api", BLOG, [API]),
        ("ada/shop/api", "", [API]),
        (f"{SHOP}/api", BLOG, [API]),
        ("/home/ada/shop/api", "", [API]),
        ("dev", SHOP, [API]),  # a profile
        ("shop/dev", BLOG, [API]),
        ("a*", SHOP, [API]),
        ("w*", SHOP, [WEB]),
        ("a*", "", [API, THEIRS]),  # a pattern is about many
        ("shop/*", "", [API, DB]),
        ("*/api", SHOP, [API, THEIRS]),
        ("*", "", list(ROWS)),
    ],
)
def test_a_word_means_the_callers_first_then_the_only_one_and_a_project_before_a_slash_is_that_one(
    word: str, caller: str, rows: list[RowId]
) -> None:
    assert meant(word, caller) == rows


@pytest.mark.parametrize(
    "word", ["nope", "shop/web", "hop/api", "/api", "shop/", "other/api", "n*", "shop/n*"]
)
def test_what_nothing_is_named_after_is_unknown(word: str) -> None:
    assert select_rows([word], ROWS, SHOP).unknown == (word,)


def test_a_name_or_a_profile_of_several_projects_is_ambiguous_outside_of_them() -> None:
    chosen = select_rows(["api", "dev", "db"], ROWS, "/elsewhere/kfw.yaml")
    assert chosen.ambiguous == {"api": ("shop/api", "blog/api"), "dev": ("shop/dev", "blog/dev")}
    assert chosen.has(DB, None)


@pytest.mark.parametrize(
    ("projects", "short"),
    [
        (["/a/shop/kfw.yaml", "/a/blog/kfw.yaml"], ["shop", "blog"]),
        (["/a/shop/kfw.yaml", "/b/shop/kfw.toml"], ["a/shop", "b/shop"]),
        (["/x/a/shop/kfw.yaml", "/y/a/shop/kfw.yml", "/y/z/kfw.yaml"], ["x/a/shop", "y/a/shop", "z"]),
        (["/shop/kfw.yaml", "/a/shop/kfw.yaml"], ["/shop/kfw.yaml", "a/shop"]),
        (["/a/dev.yaml", "/a/.config/kfw/config.yaml", "added"], ["dev", "config", "added"]),
        (["/a/shop.yaml", "/a/shop/kfw.yaml"], ["/a/shop.yaml", "/a/shop/kfw.yaml"]),
        (["/kfw.yaml", "/a/added/kfw.yaml", "added"], ["/kfw.yaml", "a/added", "added"]),
    ],
)
def test_a_project_is_called_by_the_shortest_end_of_its_path_that_is_only_its(
    projects: list[str], short: list[str]
) -> None:
    assert list(short_projects(projects).values()) == short


def test_what_a_row_is_called_means_that_row_to_everybody() -> None:
    seed = random.randrange(2**32)
    drawn = random.Random(seed)
    for _ in range(200):
        folders = ["/".join(drawn.choices("abc", k=drawn.randint(0, 3))) for _ in range(drawn.randint(1, 6))]
        files = ["kfw.yaml", "kfw.toml", "a.yaml", "b.yaml"]
        projects = {f"/{folder}/{drawn.choice(files)}".replace("//", "/") for folder in folders} | {"added"}
        rows = {
            RowId(project, name): None
            for project in sorted(projects)
            for name in "xy"
            if drawn.random() < 0.7
        }
        for row, text in DisplayNames().of_all(rows).items():
            for caller in ("", *projects):
                if "/" not in text and RowId(caller, row.name) in rows and caller != row.project:
                    continue
                chosen = select_rows([text], rows, caller)
                found = [one for one in rows if chosen.has(one, None)]
                assert found == [row], f"seed {seed}: {text} of {list(map(str, rows))} for {caller!r}"


def test_a_name_grows_a_project_with_the_second_of_it_and_loses_it_again_also_in_old_log_lines() -> None:
    names = DisplayNames()
    names.add(API)
    said = RowName(API, names.of)
    assert f"{said}" == "api"
    names.add(THEIRS)
    assert (f"{said}", names.of(THEIRS)) == ("shop/api", "blog/api")
    names.add(RowId("/b/shop/kfw.yaml", "other"))
    assert f"{said}" == "ada/shop/api"
    names.discard(THEIRS)
    assert (f"{said}", names.of(THEIRS)) == ("api", "blog/api")


def test_rows_that_are_gone_are_called_as_they_were() -> None:
    names = DisplayNames()
    names.add(API)
    assert names.of_all([THEIRS, DB]) == {THEIRS: "blog/api", DB: "db"}
    assert names.of(API) == "api", "asking has changed nothing"


def test_the_text_of_a_row_is_read_as_that_row() -> None:
    for row in (API, RowId("added", "x"), RowId("", "x"), RowId("/with space/kfw.yaml", "x")):
        assert RowId.parse(str(row)) == row
    assert RowId.parse("api") == RowId("", "api")


def test_who_mistypes_is_told_all_that_it_could_be() -> None:
    shown = DisplayNames().of_all(ROWS)
    assert probably_row("apu", shown) == "did you mean shop/api or blog/api? "
    assert probably_row("shop/apu", shown) == "did you mean shop/api? "
    assert probably_row("wbe", shown) == "did you mean web? "
    assert probably_row("zzzz", shown) == ""


def test_each_completion_means_one_forward_where_it_is_typed() -> None:
    for caller in ("", SHOP, BLOG):
        offered = completable(ROWS, caller)
        assert ("api" in offered) == (caller != "")
        assert set(offered) >= {"shop/api", "blog/api", "db", "web"}
        assert all(len(meant(word, caller)) == 1 for word in offered)
