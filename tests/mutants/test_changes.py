"""Each change is one of the code, and only one; what people read is left alone."""

import ast

from tests.mutants.__main__ import AREAS, sample
from tests.mutants.changes import changed, changes_of

SOURCE = '''
"""A sentence."""
LIMIT: int | None = 3


def small(count: int) -> bool:
    """Whether it is."""
    log.info("asked")
    if count < 0:
        raise ValueError("no count")
    return count <= LIMIT
'''


def test_each_change_is_named_by_what_it_is() -> None:
    assert [change.what for change in changes_of(ast.parse(SOURCE))] == [
        "3: 4",
        "if count < 0:: not count < 0",
        "count < 0: LtE",
        "0: 1",
        "without: raise ValueError('no count')",
        "return count <= LIMIT: None",
        "count <= LIMIT: Lt",
    ]


def test_each_change_of_a_module_makes_another_module_that_compiles() -> None:
    source = AREAS["merge"].file.read_text()
    before = ast.unparse(ast.parse(source))
    after = [ast.unparse(changed(source, number)) for number in range(len(changes_of(ast.parse(source))))]
    assert before not in after
    assert [compile(text, "merge", "exec") for text in after]


def test_a_sample_is_the_same_for_a_seed_and_all_where_none_is_asked_for() -> None:
    assert sample(100, 5, 1) == sample(100, 5, 1) != sample(100, 5, 2)
    assert sample(3, 0, 1) == sample(3, 9, 1) == [0, 1, 2]


def test_every_area_is_there_with_its_tests() -> None:
    root = AREAS["merge"].file.parents[2]
    assert [name for name, area in AREAS.items() if not area.file.exists()] == []
    assert [test for area in AREAS.values() for test in area.tests if not (root / test).exists()] == []
