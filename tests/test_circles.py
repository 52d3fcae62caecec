"""No file of kfw/ imports one that, by whatever way, imports it: also inside functions and for types only."""

import grimp


def circles(imports: dict[str, set[str]]) -> list[set[str]]:
    """Each largest set of files in which every one leads to every other one."""
    reached = {name: _reachable(name, imports) for name in imports}
    found: list[set[str]] = []
    for name in sorted(imports):
        circle = {other for other in reached[name] if name in reached[other]}
        if circle and circle not in found:
            found.append(circle)
    return found


def _reachable(start: str, imports: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = imports[waiting.pop()] - seen
        seen |= new
        waiting += new
    return seen


def test_files_do_not_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("kfw")
    assert circles({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}) == []


def test_a_circle_of_three_is_found_once_and_who_only_leads_to_it_is_not_in_it() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set[str](), "start": {"a"}}
    assert circles(imports) == [{"a", "b", "c"}]
