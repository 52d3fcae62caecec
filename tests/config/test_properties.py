"""Whatever lies in a config file, kfw says what is wrong with it or reads it; nothing else comes out."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kfw.config.durations import seconds, text_of
from kfw.config.layers import load_only
from kfw.config.schema import SETTINGS
from kfw.config.yaml_text import as_yaml
from kfw.errors import ConfigError
from tests.config.test_schema import all_blocks

FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)

KEYS = sorted({key for block in all_blocks(SETTINGS) for key in block.fields})
WORDS = [
    "api",
    "service/api",
    "on",
    "22:22",
    "5s",
    "0",
    "80",
    "-1",
    "~",
    "127.0.0.1",
    "x=y",
    "a: b",
    "é",
    "",
    "8080:80",
    "<<",
]
PIECES = [
    "\n",
    " ",
    "\t",
    ":",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "'",
    '"',
    "#",
    "|",
    "\0",
    "!!str",
    "%",
    "=",
    "\r\n",
]

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-2, 70000)
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(max_size=5)
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS + WORDS), inner, max_size=4)
    ),
    max_leaves=12,
)
wellformed = st.fixed_dictionaries(
    {},
    optional={
        key: st.dictionaries(
            st.sampled_from(["api", "web", "b-2"]), st.dictionaries(st.sampled_from(KEYS), trees), max_size=3
        )
        for key in ("portForwards", "profiles", "defaults", "daemon")
    },
)


def read(path: Path, data: bytes) -> str | None:
    """What the settings come to as text, None if there are problems; each of those on one line, with its place."""
    path.write_bytes(data)
    path.chmod(0o644)
    try:
        return as_yaml(load_only([path], path.parent).tree)
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.startswith(f"{path.name}:")
            assert problem.isprintable()
            assert len(problem) < 1000
        return None


@FEW
@given(data=st.binary(max_size=200), suffix=st.sampled_from(["yaml", "toml"]))
def test_any_bytes_end_in_settings_or_in_problems(tmp_path: Path, data: bytes, suffix: str) -> None:
    read(tmp_path / f"x.{suffix}", data)


@FEW
@given(
    pieces=st.lists(st.sampled_from(KEYS + WORDS + PIECES * 3), max_size=40),
    suffix=st.sampled_from(["yaml", "toml"]),
)
def test_any_mixture_of_words_and_signs_ends_in_settings_or_in_problems(
    tmp_path: Path, pieces: list[str], suffix: str
) -> None:
    read(tmp_path / f"x.{suffix}", "".join(pieces).encode())


@FEW
@given(tree=trees | wellformed)
def test_any_tree_ends_in_settings_or_in_problems_and_settings_read_the_same_again(
    tmp_path: Path, tree: object
) -> None:
    import yaml

    text = yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass")
    shown = read(tmp_path / "x.yaml", text)
    if shown is not None:
        assert read(tmp_path / "y.yaml", shown.encode()) == shown


@FEW
@given(micros=st.integers(0, 366 * 24 * 3600 * 1_000_000))
def test_every_duration_is_read_as_it_was_written(micros: int) -> None:
    assert seconds(text_of(micros / 1_000_000)) == micros / 1_000_000
