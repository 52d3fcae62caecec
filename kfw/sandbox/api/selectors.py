"""Label selectors and field selectors: text or objects to tests on objects. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping

from kfw.sandbox.api.errors import bad_request
from kfw.sandbox.api.kinds import Resource
from kfw.sandbox.objects import Object, labels_of

Test = Callable[[Object], bool]
LabelTest = Callable[[Mapping[str, str]], bool]

_SET = re.compile(r"^(?P<key>\S+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)$")
_COMMA_OUTSIDE_BRACKETS = re.compile(r",(?![^(]*\))")


def everything(_: Object) -> bool:
    return True


def by_labels(text: str) -> Test:
    """`a=b,c!=d,e in (x,y),f notin (z),g,!h`, as of `-l`. Raises ApiError for what is none of these."""
    tests = [_label_test(part.strip()) for part in _COMMA_OUTSIDE_BRACKETS.split(text) if part.strip()]
    return lambda thing: all(test(labels_of(thing)) for test in tests)


def _label_test(part: str) -> LabelTest:
    if found := _SET.match(part):
        values = {value.strip() for value in found["values"].split(",")}
        return _in(found["key"], values, negated=found["op"] == "notin")
    for sign, negated in (("!=", True), ("==", False), ("=", False)):
        key, middle, value = part.partition(sign)
        if middle:
            return _in(key.strip(), {value.strip()}, negated=negated)
    if re.search(r"[\s()]", part):
        raise bad_request(f"unable to parse requirement: found '{part}', expected: in, notin, =, ==, !=")
    return _exists(part.removeprefix("!").strip(), negated=part.startswith("!"))


def _in(key: str, values: set[str], *, negated: bool) -> LabelTest:
    return lambda labels: (labels.get(key) in values) != negated


def _exists(key: str, *, negated: bool) -> LabelTest:
    return lambda labels: (key in labels) != negated


def by_label_selector(selector: Object | None) -> Test:
    """A LabelSelector object (matchLabels, matchExpressions); an empty one selects all, None nothing."""
    if selector is None:
        return lambda _: False
    tests = [_in(key, {value}, negated=False) for key, value in (selector.get("matchLabels") or {}).items()]
    tests += [_expression(one) for one in selector.get("matchExpressions") or []]
    return lambda thing: all(test(labels_of(thing)) for test in tests)


def _expression(one: Object) -> LabelTest:
    match one["operator"]:
        case "In" | "NotIn":
            return _in(one["key"], set(one["values"]), negated=one["operator"] == "NotIn")
        case operator:
            return _exists(one["key"], negated=operator == "DoesNotExist")


def by_fields(text: str, resource: Resource) -> Test:
    """`metadata.name=web,status.phase!=Running`, as of `--field-selector`; only fields that the kind supports."""
    tests = [_field_test(part, resource) for part in text.split(",") if part]
    return lambda thing: all(test(thing) for test in tests)


def _field_test(part: str, resource: Resource) -> Test:
    field, sign, value = part.partition("!=")
    negated = bool(sign)
    if not negated:
        field, sign, value = part.partition("==") if "==" in part else part.partition("=")
    if not sign:
        raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    if field not in ("metadata.name", "metadata.namespace", *resource.fields):
        raise bad_request(f'field label not supported: {field} for the kind "{resource.kind}"')
    return lambda thing: (_text_at(thing, field.split(".")) == value) != negated


def _text_at(thing: Object, path: Iterable[str]) -> str:
    here: object = thing
    for step in path:
        here = here.get(step) if isinstance(here, dict) else None
    if isinstance(here, bool):
        return str(here).lower()
    return "" if here is None else str(here)
