"""docs/requirements.md is what the tests are."""

from tests.requirements import PAGE, REQUIREMENTS, ids_in, proofs, rows, shown_by


def test_every_requirement_has_a_test_and_no_test_one_that_is_unknown() -> None:
    found = proofs()
    assert set(found) == set(REQUIREMENTS)
    assert [name for name, tests in found.items() if not tests] == []


def test_the_page_names_the_tests_that_there_are_and_none_has_failed() -> None:
    """`make requirements` writes it."""
    found = proofs()
    page = rows(PAGE.read_text())
    assert {name: shown for name, (shown, _) in page.items()} == {
        name: shown_by(tests) for name, tests in found.items()
    }
    assert {
        name: result for name, (_, result) in page.items() if "passed" not in result or "failed" in result
    } == {}


def test_ids_are_read_from_a_tests_name_also_several() -> None:
    assert ids_in("A35_FR_CONN_01_NFR_REL_02_a_dead_forward_is_seen") == ["FR-CONN-01", "NFR-REL-02"]
    assert ids_in("what_FROST_1_says") == []
