"""Whatever comments, docstrings and pages point to is there: files, modules and their names, commands and options of kfw,
words of make, headings. Nothing points out of the repository but to the rig.

What a rule here does not know is in the lists below; what is listed and needed no more fails, too.
"""

import asyncio
import builtins
import importlib
import keyword
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from kfw.choices import METHOD_CHOICES
from kfw.model import Status
from kfw.reasons import Reason
from tests import pointers
from tests.pointers import ROOT, Said, Source, comments, pages, scripts, sources

#: Words in backticks that are neither kfw's nor its tests'.
OTHERS = {
    "Kubernetes": "labelSelector fieldSelector CrashLoopBackOff patchMergeKey podToEndpoint MarkPodsNotReady",
    "kubectl": "auth VERB",
    "Python and its packages": "writelines websockets cryptography",
    "programs": "nginx orbstack su cd p41 ccurl cnginx",
    "YAML's words for true": "on yes",
    "names in examples": "dev AWS_SECRET_ACCESS_KEY Name Pod generated",
    "extras and hooks": "fast finalize",
}
#: Files of other programs, of an example, and one where x stands for a name.
OTHER_FILES = {"azure.go", "tests/integration", "tests/real/test_acceptance_x.py"}
#: Folders of the repository's name that are images of the sandbox.
IMAGES = re.compile(r"kfw/(?:http|tls|echo|greeter|resetter|digest)$")
OTHER_OPTIONS = {
    "scripts of this checkout": "--remove --pipx --release --notes",
    "kubectl": "--as --server --token --patch --now",
    "other programs": "--internal --server.image --hostname",
    "pytest, and the tests' own programs": "--seconds --seed --area --from --shrink --cluster --minutes --list --sample",
    "quick-start/": "--detach",
}
#: What stands outside of the repository. The rig, ../shared/cluster, may be named.
OUTSIDE = re.compile(
    r"\bshared/(?!cluster)\w*|\bdesign/\w|\bPRODUCT\b|\bpeer-figures\b|\bseed-systems\b|\bstyle-anchors\b"
)

TICKED = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"(?<![\w/~$*{}.-])([\w.-][\w./-]*\.(?:py|md|sh))\b(?![\w/(])")
FOLDER = re.compile(r"(?<![\w/.~$*{}-])((?:kfw|tests|docs|scripts|quick-start)/[\w./-]*\w)(?![\w*…])")
DOTTED = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\(.*\))?")
KFW = re.compile(r"(?<!-u)(?:^|[\s`$])kfw((?: [a-z][a-z-]*| --?[a-z][\w-]*| [A-Z=\[][^\s`]*)+)")
MAKE = re.compile(r"(?:^ {4}|`)make ([a-z][a-z-]*)", re.M)
LINK = re.compile(r"\]\(([^)\s]+)\)")
OPTION = re.compile(r"`(--[a-z][\w.-]*)")


def nothing(lost: Iterable[str]) -> None:
    """Fails with each on a line."""
    assert not (lines := list(lost)), "\n".join(lines)


# -- files


def lost_files(said: Said) -> Iterator[str]:
    matches = [one for pattern in (FILE, FOLDER) for one in pattern.finditer(said.text)]
    found = {(one.start(1), re.sub(r"^(\.{1,2}/)+", "", one[1])) for one in matches}
    for start, name in sorted(found):
        if (
            "NAME" not in name
            and name not in pointers.paths()
            and name not in OTHER_FILES
            and not IMAGES.match(name)
        ):
            yield f"{said.at(start)} {name}"


def test_every_file_that_is_named_is_there() -> None:
    nothing(lost for said in (*comments(), *pages(), *scripts()) for lost in lost_files(said))


def test_nothing_points_out_of_the_repository_but_to_the_rig() -> None:
    here = Path(__file__)
    everything = [said for said in (*comments(), *pages(), *scripts()) if said.file != here]
    nothing(said.at(found.start()) for said in everything for found in OUTSIDE.finditer(said.text))


# -- names in Python


def known_words() -> frozenset[str]:
    ours = {*Status, *Reason, *METHOD_CHOICES, *dir(builtins), *keyword.kwlist}
    return (
        pointers.defined() | frozenset(ours) | {word for words in OTHERS.values() for word in words.split()}
    )


def lost_names(said: Said, source: Source) -> Iterator[str]:
    for found in TICKED.finditer(said.text):
        if (name := DOTTED.fullmatch(found[1])) and not is_there(name[1].split("."), source):
            yield f"{said.at(found.start())} {found[1]}"


def is_there(parts: list[str], source: Source) -> bool:
    """`name`: a word of this file's code, or defined anywhere. `a.b`: b is in module a, or in class a."""
    first, *rest = parts
    if not rest:
        return first in source.words or first in known_words()
    if first in ("kfw", "tests"):
        return imports(parts)
    if first == "loop":
        return hasattr(asyncio.AbstractEventLoop, rest[0])
    if first in pointers.modules() and first not in source.words:
        return any(rest[0] in module.words for module in pointers.modules()[first])
    if owners := [one.members[first] for one in sources().values() if first in one.members]:
        return any(rest[0] in members for members in owners)
    return all(part in source.words or part in known_words() for part in parts) or parts[-1] in (
        "io",
        "com",
        "proto",
    )


def imports(parts: list[str]) -> bool:
    """Whether `kfw.wire.spdy.SpdyConnection` is a module, or a name in one."""
    for end in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def test_every_name_in_backticks_in_a_comment_is_there() -> None:
    nothing(lost for said in comments() for lost in lost_names(said, sources()[said.file]))


def test_every_module_and_name_of_kfw_on_a_page_is_there() -> None:
    names = [
        (said, found) for said in pages() for found in re.finditer(r"`((?:kfw|tests)(?:\.\w+)+)\b", said.text)
    ]
    ours = [(said, found) for said, found in names if found[1] not in ("kfw.yaml", "kfw.yml", "kfw.toml")]
    assert ours
    nothing(
        f"{said.at(found.start())} {found[1]}" for said, found in ours if not imports(found[1].split("."))
    )


# -- commands


def lost_commands(said: Said) -> Iterator[str]:
    for found in KFW.finditer(said.text):
        if wrong := what_is_not_kfws(found[1].split()):
            yield f"{said.at(found.start(1))} kfw{found[1]}: {wrong}"


def what_is_not_kfws(words: list[str]) -> str:
    """The first word that is not a command, a verb or an option of it; "" if all are."""
    known = pointers.options()
    command = ""
    for word in words:
        if word.startswith("-"):
            name = word.partition("=")[0]
            if name not in known[command] and command != "port-forward":  # whose options are kubectl's
                return word
        elif not command:
            if word not in known:
                return "" if word.isupper() else word
            command = word
        elif f"{command} {word}" in known:
            command = f"{command} {word}"
    return ""


def test_every_command_on_a_page_or_in_a_comment_is_kfws() -> None:
    ticked = [
        Said(said.file, said.line, found[0]) for said in comments() for found in TICKED.finditer(said.text)
    ]
    nothing(lost for said in (*code_lines(), *ticked) for lost in lost_commands(said))


def code_lines() -> Iterator[Said]:
    """What a page shows as typed: in backticks, indented, or between fences."""
    for page in pages():
        fenced = False
        for number, line in enumerate(page.text.splitlines(), 1):
            fenced ^= line.startswith("```")
            if fenced or line.startswith("    "):
                yield Said(page.file, number, re.split(r" {2}|#", line.strip())[0])
            else:
                yield from (Said(page.file, number, found[0]) for found in TICKED.finditer(line))


def test_every_command_that_a_message_tells_to_run_is_kfws() -> None:
    strings = [said for source in sources().values() for said in source.strings]
    ours = [said for said in strings if said.file.is_relative_to(ROOT / "kfw")]
    told = [Said(said.file, said.line, found[0]) for said in ours for found in TICKED.finditer(said.text)]
    assert len(told) > 20
    nothing(lost for said in told for lost in lost_commands(said))


def test_every_option_on_a_page_is_an_option() -> None:
    known = {option for options in pointers.options().values() for option in options}
    others = {option for options in OTHER_OPTIONS.values() for option in options.split()}
    found = [(said, one) for said in pages() for one in OPTION.finditer(said.text)]
    nothing(f"{said.at(one.start())} {one[1]}" for said, one in found if one[1] not in known | others)


def test_every_word_of_make_is_in_the_makefile() -> None:
    words = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    said = [*pages(), *comments()]
    nothing(
        one.at(found.start()) for one in said for found in MAKE.finditer(one.text) if found[1] not in words
    )


# -- links


def test_every_link_of_a_page_leads_to_a_file_and_its_heading() -> None:
    links = [(page, found) for page in pages() for found in LINK.finditer(page.text)]
    nothing(f"{page.at(found.start())} {found[1]}" for page, found in links if not leads(page.file, found[1]))


def leads(page: Path, link: str) -> bool:
    if link.startswith(("https://", "http://")):
        return True
    name, _, heading = link.partition("#")
    target = page.parent / name if name else page
    return target.exists() and (not heading or heading in anchors(target))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


# -- the lists, and the rules themselves


def test_what_the_lists_allow_is_needed() -> None:
    text = "\n".join(said.text for said in (*comments(), *pages(), *scripts()) if said.file != Path(__file__))
    words = [word for group in (OTHERS, OTHER_OPTIONS) for names in group.values() for word in names.split()]
    nothing(word for word in words if not re.search(rf"`[^`\n]*{re.escape(word)}", text))
    nothing(name for name in OTHER_FILES if name not in text or name in pointers.paths())


@pytest.fixture
def source(tmp_path: Path) -> Source:
    file = tmp_path / "a.py"
    file.write_text(
        '"""Of `port` and `prot`,\nand `link.Link`, `link.Lynk`."""\n\nport = 1  # see docs/tunnell.md\n'
    )
    return pointers.read_source(file)


def test_a_lost_name_and_a_lost_file_are_named_with_their_lines(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointers, "ROOT", source.file.parent)
    lost = [lost for said in source.said for lost in (*lost_names(said, source), *lost_files(said))]
    assert sorted(lost) == ["a.py:1 prot", "a.py:2 link.Lynk", "a.py:4 docs/tunnell.md"]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("kfw up --json", ""),
        ("kfw config check kfw.yaml", ""),
        ("kfw config show --jsn", "--jsn"),
        ("kfw upp", "upp"),
        ("kfw --help", ""),
        ("kfw port-forward --token=x", ""),
        ("kfw down --config", "--config"),
    ],
)
def test_what_is_not_a_command_or_an_option_is_seen(line: str, wrong: str) -> None:
    assert what_is_not_kfws(line.split()[1:]) == wrong


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("kfw.wire.spdy.SpdyConnection", True),
        ("kfw.wire.spdy", True),
        ("kfw.wire.spdi", False),
        ("kfw.wire.spdy.Connexion", False),
        ("kfw.nothing", False),
    ],
)
def test_a_module_or_a_name_in_one_can_be_imported(name: str, there: bool) -> None:
    assert imports(name.split(".")) is there


def test_a_link_to_a_heading_that_is_not_there_leads_nowhere(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# How to add: a `method`\n")
    assert leads(page, "#how-to-add-a-method")
    assert not leads(page, "#how-to-add")
    assert not leads(page, "other.md")
