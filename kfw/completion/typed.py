"""What is being typed: the tree of commands and the words before -> which values fit there. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

#: One command: `help`, `options` by name (None: it takes no value), `arguments` in order, `commands` of a noun. A value is
#: a list of words, or the name of a kind such as `contexts`: see values.py. `many`: the last argument comes again.
Tree = Mapping[str, Any]


class Asked(NamedTuple):
    """`kind` as in a Tree: a name, or the words themselves with their help. `before`: what of the word stays as it is
    (`--context=`); `typed`: the rest. `options` that were given; `arguments` before this one; `command`: the first word."""

    kind: str | Mapping[str, str]
    typed: str
    before: str = ""
    command: str = ""
    options: Mapping[str, str] = {}
    arguments: tuple[str, ...] = ()


NOTHING = Asked({}, "")


def asked(tree: Tree, words: Sequence[str], incomplete: str, aliases: Mapping[str, str]) -> Asked:
    here, options, arguments = tree, dict[str, str](), list[str]()
    waiting = ""  # the option whose value comes next
    command = ""
    for word in words:
        if waiting:
            options[waiting], waiting = word, ""
        elif word == "--":
            return Asked("files", incomplete)
        elif word.startswith("-") and word != "-":
            name, equals, value = word.partition("=")
            if equals:
                options[name] = value
            elif here.get("options", {}).get(name):
                waiting = name
        elif here.get("commands"):
            word = aliases.get(word, word) if not command else word
            if word not in here["commands"]:
                return NOTHING
            here, command = here["commands"][word], command or word
        else:
            arguments.append(word)
    found = Asked({}, incomplete, "", command, options, tuple(arguments))
    if waiting:
        return found._replace(kind=_kind(here["options"][waiting]))
    if incomplete.startswith("-"):
        return _option(here, found)
    if here.get("commands"):
        return found._replace(kind={name: one.get("help", "") for name, one in here["commands"].items()})
    return found._replace(kind=_argument(here, len(arguments)))


def _option(here: Tree, found: Asked) -> Asked:
    name, equals, value = found.typed.partition("=")
    options: Mapping[str, Any] = here.get("options", {})
    if equals and options.get(name):
        return found._replace(kind=_kind(options[name]), typed=value, before=f"{name}=")
    return found._replace(kind={one: "" for one in options if one.startswith("--")})


def _argument(here: Tree, number: int) -> str | Mapping[str, str]:
    kinds: Sequence[Any] = here.get("arguments", ())
    if number < len(kinds):
        return _kind(kinds[number])
    return _kind(kinds[-1]) if kinds and here.get("many") else {}


def _kind(said: str | Sequence[str]) -> str | Mapping[str, str]:
    return said if isinstance(said, str) else dict.fromkeys(said, "")


def with_short_kind(typed: str, targets: Sequence[str], short: Mapping[str, Sequence[str]]) -> list[str]:
    """`service/web` as `svc/web` where that was begun. `short`: the other spellings of each kind."""
    kind, slash, _ = typed.partition("/")
    full = next((name for name, others in short.items() if kind.lower() in others), kind)
    if slash and full != kind:
        return [f"{kind}/{one.partition('/')[2]}" for one in targets if one.startswith(f"{full}/")]
    return list(targets)
