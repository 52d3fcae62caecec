"""The config of the daemon for kubefwd: profiles that select services by namespace and label, as kfw's do. Pure."""

from kfw.config.imports.found import ImportedForwards, get, pairs
from kfw.config.merge import Branch
from kfw.config.schema import SETTINGS
from kfw.config.shapes import Reading
from kfw.config.tree import Node
from kfw.config.yaml_text import as_yaml

_KEPT = ("defaults", "profiles")


def looks_like(document: Node) -> bool:
    profiles = [profile for _, profile in pairs(get(document, "profiles"))]
    return any(get(profile, "namespaces") for profile in profiles) and get(document, "portForwards") is None


def read(documents: list[Node]) -> ImportedForwards:
    """Its keys are kfw's in snake_case."""
    found = ImportedForwards()
    for document in documents:
        reading = Reading(str)
        tree = SETTINGS.read(document, "", document.at, reading)
        for problem in reading.problems:
            found.leave(problem.at, f"{problem.what}, {problem.fix}")
        if isinstance(tree, Branch) and not reading.problems:
            kept = {key: child for key, child in tree.children.items() if key in _KEPT}
            found.blocks.append(as_yaml(Branch(tree.at, kept)))
        for key, _ in pairs(document):
            if key.raw not in _KEPT:
                found.leave(key.at, f"{key.raw}: kfw's daemon chooses its own paths")
    return found
