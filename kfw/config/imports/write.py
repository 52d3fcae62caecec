"""What an importer has found, as a kfw.yaml: each forward checked as a config is, what is wrong left out and said. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kfw.choices import usual_local_port
from kfw.config import yaml_text
from kfw.config.edit import Entry
from kfw.config.imports.found import ImportedForward, ImportedForwards, plain, shown
from kfw.config.merge import Branch
from kfw.config.schema import SETTINGS
from kfw.config.shapes import Reading
from kfw.config.tree import Place, Unparsable
from kfw.names import usable_name

#: Forwards of one file.
_MOST = 1000


@dataclass(frozen=True)
class Written:
    """`text`: the kfw.yaml. `forwards`: by the names and entries that they have in it, those of profiles left out."""

    text: str
    forwards: dict[str, Entry]
    left_out: tuple[str, ...]
    count: int


def write(found: ImportedForwards, source: str, words: str) -> Written:
    """`source`: what the file is called; `words`: what it is, such as `a skaffold file`."""
    left_out = list(found.left_out)
    ready = list(_checked(found, left_out))
    if found.defaults.get("onPortInUse") != "next":
        ready = _unlike_ports(ready)
    head = [
        f"# Made by `kfw config import` from {plain(source)}, {plain(words)}. `kfw config check` finds mistakes."
    ]
    if left_out:
        head += [
            "#",
            "# Left out, as it has no equivalent or is wrong:",
            *(f"#   {plain(one)}" for one in left_out),
        ]
    own = [one for one in ready if not one.profile]
    lines = [*head, ""]
    if found.defaults and ready:
        lines += [
            "defaults:",
            *(f"  {key}: {yaml_text.scalar(value)}" for key, value in found.defaults.items()),
            "",
        ]
    for block in found.blocks:
        lines += [*block.splitlines(), ""]
    lines += (
        ["portForwards:", *(line for one in own for line in _lines(one, "  "))]
        if own or not found.blocks
        else []
    )
    profiles = list(dict.fromkeys(one.profile for one in ready if one.profile))
    lines += ["", "profiles:"] if profiles else []
    for profile in profiles:
        lines += [f"  {profile}:", f"    enabled: false  # `kfw enable {profile}`", "    portForwards:"]
        lines += [line for one in ready if one.profile == profile for line in _lines(one, "      ")]
    text = "\n".join(lines).rstrip("\n") + "\n"
    return Written(text, {one.name: one.entry for one in own}, tuple(left_out), len(ready))


def _checked(found: ImportedForwards, left_out: list[str]) -> Iterator[ImportedForward]:
    """With names that kfw takes. What a config could not say goes to `left_out`."""
    names = set[str]()
    for number, one in enumerate(found.forwards):
        where = f"line {one.at.line}: " if one.at.line else ""
        if number == _MOST:
            left_out.append(f"{where}all from here on: there are more than {_MOST} forwards")
            return
        base = usable_name(one.name) or usable_name(str(one.entry.get("target", "")))
        if not base:
            left_out.append(f"{where}{shown(one.name)}: its name has no character that kfw allows in a name")
            continue
        name = _new_name(base, names)
        full = replace(one, name=name, profile=usable_name(one.profile), entry=_with_local_port(one.entry))
        if problem := _problem(full):
            left_out.append(f"{where}{shown(one.name)}: {problem}")
            continue
        names.add(name)
        note = () if one.name == name or not one.name else (f"named {shown(one.name)} there",)
        yield replace(full, notes=(*note, *one.notes))


def _new_name(base: str, names: set[str]) -> str:
    if base not in names:
        return base
    return next(name for n in range(2, _MOST + 3) if (name := f"{base[:58].rstrip('-')}-{n}") not in names)


def _with_local_port(entry: Entry) -> Entry:
    """Where nobody said one: as kfw has it for this target port, else any."""
    if "localPort" in entry:
        return entry
    remote = entry.get("targetPort")
    return {**entry, "localPort": usual_local_port(remote) if isinstance(remote, int) else 0}


def _problem(one: ImportedForward) -> str:
    """What kfw's loader says of it as it will be written; "" if nothing."""
    at = Place("import", layer="config")
    text = "\n".join(["portForwards:", *_lines(replace(one, notes=()), "  ")])
    reading = Reading(str)
    try:
        tree = SETTINGS.read(yaml_text.parse(text, at), "", at, reading)
    except Unparsable as error:
        return error.problem.what
    if reading.problems:
        return f"{reading.problems[0].what}, {reading.problems[0].fix}"
    assert isinstance(tree, Branch)
    return "" if "target" in one.entry else "it does not say what to forward to"


def _unlike_ports(ready: list[ImportedForward]) -> list[ImportedForward]:
    """Of two that have the same local port, as those of two clusters often do, the second is off."""
    first: dict[object, str] = {}
    found = []
    for one in ready:
        port = one.entry.get("localPort")
        key = (port, str(one.entry.get("address", "")))
        other = first.get(key) if port and one.entry.get("enabled") is not False and not one.profile else None
        if other:
            one = replace(
                one,
                entry={**one.entry, "enabled": False},
                notes=(*one.notes, f"off: {other} has its localPort"),
            )
        elif port and not one.profile and one.entry.get("enabled") is not False:
            first[key] = one.name
        found.append(one)
    return found


def _lines(one: ImportedForward, indent: str) -> Iterator[str]:
    for note in one.notes:
        yield f"{indent}# {plain(note)}"
    yield f"{indent}{yaml_text.scalar(one.name)}:"
    for key, value in one.entry.items():
        yield f"{indent}  {key}: {yaml_text.scalar(value)}"
