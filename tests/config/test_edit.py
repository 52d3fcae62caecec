"""An entry is put in and taken out, and not one other byte changes."""

from collections.abc import Mapping

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kfw.config.edit import CannotEdit, Entry, as_text, with_forward, without_forward
from kfw.config.tree import Place, Unparsable

AT = Place("kfw.yaml")
WEB: Entry = {"target": "service/web", "targetPort": "http", "localPort": 8080}

#: `<<` is where the entry is expected: what stands behind it in the same line is what is added.
STYLES = {
    "nothing": "<<portForwards:\n  web:\n    target: service/web\n    targetPort: http\n    localPort: 8080\n",
    "no forwards": "defaults: {namespace: shop} # all\n"
    "<<\nportForwards:\n  web:\n    target: service/web\n    targetPort: http\n    localPort: 8080\n",
    "only examples": "portForwards:\n"
    "<<  web:\n    target: service/web\n    targetPort: http\n    localPort: 8080\n>>"
    "  # api:\n  #   target: service/api\n\nprofiles:\n",
    "blocks": "portForwards:\n  api:   # ours\n    target:   'service/api'\n    localPort: 0\n"
    "<<  web:\n    target: service/web\n    targetPort: http\n    localPort: 8080\n>>"
    "\n# below\nprofiles: ~\n",
    "far in": "portForwards:\n    api:\n        target: pod/a\n        localPort: 1   # why\n        # its own\n"
    "    # db: {target: pod/db}\n"
    "<<    web:\n        target: service/web\n        targetPort: http\n        localPort: 8080\n>>\nprofiles:\n",
    "lines": "portForwards:\n  api: { target: pod/a,   localPort: 1 }\n"
    "<<  web: {target: service/web, targetPort: http, localPort: 8080}\n>># end\n",
    "spaced": "portForwards:\n  a: {target: pod/a, localPort: 1}\n\n  b: {target: pod/b, localPort: 2}\n"
    "<<\n  web: {target: service/web, targetPort: http, localPort: 8080}\n>>\ndefaults: {}\n",
    "snakes": "port_forwards:\n  api:\n    target: pod/a\n    local_port: 1\n"
    "<<  web:\n    target: service/web\n    target_port: http\n    local_port: 8080\n",
    "one line": "portForwards: {a: {target: pod/a, localPort: 1}"
    "<<, web: {target: service/web, targetPort: http, localPort: 8080}>>}  # all\n",
    "JSON": '{"portForwards": {"a": {"target": "pod/a", "localPort": 1}'
    '<<, "web": {"target": "service/web", "targetPort": "http", "localPort": 8080}>>}}\n',
    "a text in a block": "portForwards:\n  a:\n    target: pod/a\n    localPort: 1\n"
    "    env:\n      X: |-\n        # no comment\n"
    "<<  web:\n    target: service/web\n    targetPort: http\n    localPort: 8080\n>>defaults:\n",
    "an alias": "defaults: &d {namespace: shop}\nprofiles:\n  x: *d\n"
    "portForwards:\n  a: {target: pod/a, localPort: 1, env: &e {A: b}}\n"
    "  b: {target: pod/b, localPort: 2, env: *e}\n"
    "<<  web: {target: service/web, targetPort: http, localPort: 8080}\n",
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("style", STYLES)
def test_what_is_added_is_written_as_what_is_there_and_goes_out_again(style: str, newline: str) -> None:
    marked = STYLES[style].replace("\n", newline if style != "nothing" else "\n")
    before, _, rest = marked.partition("<<")
    added, _, after = rest.partition(">>")
    now = with_forward(before + after, AT, "web", WEB)
    assert now == before + added + after
    left = without_forward(now, AT, "web")
    assert left == before + after or yaml.safe_load(left) == (yaml.safe_load(before + after) or {}) | {
        "portForwards": None
    }


def test_a_file_that_does_not_end_with_a_newline_gets_one() -> None:
    assert with_forward(
        "portForwards:\n  a: {target: pod/a, localPort: 1}", AT, "web", {"target": "pod/w"}
    ) == ("portForwards:\n  a: {target: pod/a, localPort: 1}\n  web: {target: pod/w}\n")


def test_what_is_in_a_profile_is_taken_out_of_it() -> None:
    text = "profiles:\n  dev:\n    portForwards:\n      a: {target: pod/a}  # one\n      # two\n      b: {target: pod/b}\n"
    assert without_forward(text, AT, "a") == text.replace("      a: {target: pod/a}  # one\n", "")
    assert without_forward(text, AT, "b") == text.replace("      b: {target: pod/b}\n", "")


def test_toml_gets_a_table_at_its_end() -> None:
    text = '# ours\n[portForwards.api]\ntarget = "pod/a"\n'
    toml = Place("kfw.toml")
    added = '\n[portForwards.web]\ntarget = "service/web"\ntargetPort = "http"\nlocalPort = 8080\n'
    assert with_forward(text, toml, "web", WEB) == text + added
    with pytest.raises(CannotEdit, match="cannot remove anything from TOML"):
        without_forward(text, toml, "api")
    with pytest.raises(CannotEdit, match="would not be valid"):
        with_forward('portForwards = {api = {target = "pod/a"}}\n', toml, "web", WEB)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("portForwards:\n  web: {target: pod/a}\n", "'web' is in it already"),
        ("profiles: {dev: {portForwards: {web: {target: pod/a}}}}\n", "'web' is in it already"),
        ("portForwards: []\n", "would not be valid|written in a form"),
        ("portForwards: 8080\n", "would not be valid|written in a form"),
        ("defaults: {}\n...\n", "would not be valid|written in a form"),
    ],
)
def test_what_cannot_be_added_to_is_refused_and_not_made_worse(text: str, why: str) -> None:
    with pytest.raises(CannotEdit, match=why):
        with_forward(text, AT, "web", WEB)


@pytest.mark.parametrize("text", ["a: [\n", "- a\n", "a: !!str b\n", "a: *b\n", "a: 1\n---\nb: 2\n"])
def test_what_is_no_config_is_told_with_its_place(text: str) -> None:
    with pytest.raises(Unparsable):
        with_forward(text, AT, "web", WEB)


def test_what_is_to_be_written_by_hand_is_an_entry() -> None:
    assert with_forward("", AT, "web", WEB) == as_text("web", WEB, AT)


_NAMES = st.sampled_from(["a", "b-1", "on", "1", "null", "web2"])
_VALUES = st.one_of(
    st.integers(0, 65535), st.booleans(), st.sampled_from(["service/a", "on", "22:22", "a: b", "#", "é", "'"])
)
_ENTRIES = st.dictionaries(st.sampled_from(["target", "localPort", "namespace"]), _VALUES, min_size=1)


@settings(max_examples=60, deadline=None, database=None)
@given(
    st.dictionaries(_NAMES, _ENTRIES, max_size=4),
    st.booleans() | st.none(),
    st.integers(1, 6),
    _ENTRIES,
)
def test_whatever_pyyaml_writes_can_be_added_to_and_taken_from(
    forwards: Mapping[str, Mapping[str, object]], flow: bool | None, indent: int, entry: Entry
) -> None:
    said = {"defaults": {"hold": "5s"}, "portForwards": dict(forwards), "profiles": {}}
    text = yaml.safe_dump(
        said, default_flow_style=flow, indent=indent, sort_keys=False, width=40, allow_unicode=True
    )
    now = with_forward(text, AT, "web", entry)
    read = yaml.safe_load(now)
    assert read.pop("portForwards") == {**forwards, "web": dict(entry)}
    assert read == {name: value for name, value in said.items() if name != "portForwards"}
    for name in [*forwards, "web"]:
        now = without_forward(now, AT, name)
    assert not yaml.safe_load(now)["portForwards"]
