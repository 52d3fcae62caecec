"""Files that nobody has checked: what comes out is a kfw.yaml without anything in it that they chose, or a sentence."""

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kfw.config.imports import table
from kfw.config.imports.found import ImportedForwards
from kfw.config.imports.write import write
from kfw.config.tree import Place, Unparsable

AT = Place("x")
FILES = sorted(table.FILES)

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(8)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "[" * 40,
        "a: " + "{a: " * 40,
        "!!python/object:os.system x",
        "a: *a",
        "\x1b: 1",
        "{" * 40,
        '{"a": "',
    ],
)
def test_the_loaders_limits_hold(text: str) -> None:
    with pytest.raises(Unparsable):
        table.documents(text, AT)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize(
    "value",
    [
        "x\nportForwards: {evil: {target: pod/x}}",
        "a: b # c",
        "\u2028evil:",
        "*alias",
        "{{",
        "${X}",
        "-" * 5000,
        "\x00"[:0],
    ],
)
def test_what_a_text_holds_stays_a_text(kind: str, value: str) -> None:
    said = json.dumps(value)
    text = (
        f'{{"apiVersion": "skaffold/v1", "kind": {said}, "version": "v2beta1", '
        f'"portForwards": {{{said}: {{"target": {said}, "targetPort": {said}, {said}: 1}}}}, '
        f'"portForward": [{{"resourceType": "service", "resourceName": {said}, "port": {said}, {said}: 1}}], '
        f'"services": {{{said}: {{"image": "x", "ports": [{said}, {{"target": {said}, "published": {said}}}]}}}}, '
        f'"dev": {{{said}: {{"labelSelector": {{{said}: {said}}}, "ports": [{{"port": {said}}}]}}}}, '
        f'"profiles": [{{"name": {said}, "resource": {said}, "remotePort": {said}, "portForward": [{said}]}}], '
        f'"alias": {said}, "service": {said}, "workload_type": "service", "remote_port": {said}, {said}: "x"}}'
    )
    try:
        found = table.read(text, kind, AT)
    except Unparsable:
        return
    written = yaml.safe_load(write(found, value, value).text)
    assert written.keys() <= {"portForwards", "profiles", "defaults"}
    assert "evil" not in (written.get("portForwards") or {})


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 70000)
    | st.sampled_from(["", "80", "8080:80", "svc/a", "a=b", "skaffold/v1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "portForward",
                    "portForwards",
                    "services",
                    "ports",
                    "profiles",
                    "dev",
                    "name",
                    "resource",
                    "port",
                    "target",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, database=None)
@given(_JSON, st.sampled_from(FILES))
def test_whatever_shape_it_has_it_is_read_or_refused(value: object, kind: str) -> None:
    try:
        found = table.read(json.dumps(value), kind, AT)
    except Unparsable:
        return
    assert isinstance(found, ImportedForwards)
    yaml.safe_load(write(found, "x", "y").text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("k8s_resource('a', port_forwards=", "not a Tiltfile"),
        ("(" * 500, "not a Tiltfile|nested too deeply"),
        ("-" * 100_000 + "1", "nested too deeply|not a Tiltfile"),
        ("x" * 300_000, "larger than"),
        ("k8s_resource('\0')", "not a Tiltfile|cannot be read|nested"),
    ],
)
def test_a_tiltfile_is_never_run_and_its_size_and_depth_have_limits(text: str, why: str) -> None:
    with pytest.raises(Unparsable) as caught:
        table.read(text, table.TILT, AT)
    assert any(each in caught.value.problem.what for each in why.split("|"))


def test_a_tiltfile_that_would_do_something_does_nothing() -> None:
    assert table.read("__import__('os').abort()\nk8s_resource('a')", table.TILT, AT).forwards == []


def test_of_very_many_forwards_a_thousand_are_taken() -> None:
    text = "services:\n" + "".join(f"  s{n}: {{image: x, ports: ['{n + 1}:80']}}\n" for n in range(1200))
    written = write(table.read(text, "compose", AT), "x", "a compose file")
    assert written.count == 1000
    assert any("more than 1000" in said for said in written.left_out)
