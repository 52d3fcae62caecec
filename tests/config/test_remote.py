"""Defaults at a URL, from a real HTTPS server: what is fetched, kept, refused, and what is used when it cannot be had."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfw.config import remote
from kfw.config.blocks import Block, Named
from kfw.config.layers import load
from kfw.config.remote import RemoteCopy, RemoteState, cached, refresh, state_of, url_of
from kfw.config.schema import SETTINGS
from kfw.config.settings import Settings
from kfw.errors import KfwError, UsageError
from tests.config.fakes import Project
from tests.config.https_files import HttpsFiles, serving_files

TEAM = b"portForwards:\n  api: {target: service/api, targetPort: 80, localPort: 9080, namespace: shop}\n"
PATH = "/team.yaml"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFW_HOME", str(tmp_path / "kfw-home"))
    monkeypatch.setattr(remote, "TIMEOUT", 300.0)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpsFiles]:
    with serving_files(tmp_path, monkeypatch) as made:
        made.files[PATH] = TEAM
        yield made


def fetched(url: str) -> tuple[RemoteCopy | None, list[str]]:
    told = list[str]()
    return refresh(url_of(url), told.append), told


def loaded(project: Project, url: str) -> Settings:
    return load(project.here, user_file=project.user_file, config_url=url)


def test_A15_it_is_a_layer_below_the_users_files_with_an_origin_of_its_own(
    project: Project, site: HttpsFiles
) -> None:
    project.write("kfw.yaml", "portForwards: {api: {localPort: 7000}}\n")
    assert fetched(site.url(PATH))[1] == []
    settings = loaded(project, site.url(PATH))
    assert settings.forwards["api"].local_port == 7000
    assert settings.forwards["api"].namespace == "shop"
    assert settings.origin["portForwards.api.namespace"] == f"remote {site.url(PATH)}:2"


def test_it_is_asked_for_again_by_its_etag(site: HttpsFiles) -> None:
    for _ in range(2):
        fetched(site.url(PATH))
    assert site.asked == [(PATH, 200), (PATH, 304)]
    site.files[PATH] = TEAM.replace(b"9080", b"9081")
    copy, told = fetched(site.url(PATH))
    assert copy and not told
    assert b"9081" in copy.path.read_bytes()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        (b"portForwards: {api: [}\n", "yaml"),
        (b"portForwards:\n", "it has no portForwards"),
        (b"{}\n", "it has no portForwards"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a: 1\n" * 300_000, "larger than"),
        (b"portForwards: {api: {target: service/api, localPort: 70000}}\n", "localPort is 70000"),
    ],
)
def test_A15_what_cannot_be_used_leaves_the_copy_before(site: HttpsFiles, content: bytes, why: str) -> None:
    before, _ = fetched(site.url(PATH))
    assert before
    site.files[PATH] = content
    copy, told = fetched(site.url(PATH))
    assert copy == before
    assert copy.path.read_bytes() == TEAM
    (sentence,) = told
    assert why in sentence
    assert sentence.endswith("the earlier copy is used")


def test_A15_what_was_cut_off_is_not_taken_for_the_whole(site: HttpsFiles) -> None:
    """Its beginning is a config, too, of fewer forwards."""
    before, _ = fetched(site.url(PATH))
    site.files[PATH], site.lacks = TEAM + b"# more\n", 100
    copy, (said,) = fetched(site.url(PATH))
    assert copy == before
    assert "was cut off after" in said


def test_A15_a_server_that_fails_is_replaced_by_the_copy_and_that_by_nothing(
    project: Project, site: HttpsFiles
) -> None:
    fetched(site.url(PATH))
    site.status = 500
    copy, (said,) = fetched(site.url(PATH))
    assert copy and "it is answered with 500" in said
    assert "api" in loaded(project, site.url(PATH)).forwards
    copy.path.unlink()
    copy, (said,) = fetched(site.url(PATH))
    assert copy is None
    assert said.endswith("kfw continues without it")
    assert loaded(project, site.url(PATH)).forwards == {}


def test_A15_what_the_last_look_found_is_remembered_until_the_next(site: HttpsFiles) -> None:
    url = url_of(site.url(PATH))
    assert not state_of(url).is_here
    site.status = 500
    fetched(site.url(PATH))
    assert state_of(url) == RemoteState(is_here=False, newest=0.0, problem="it is answered with 500")
    site.status = 200
    fetched(site.url(PATH))
    first = state_of(url)
    assert first.is_here and first.newest and not first.problem
    site.status = 500
    fetched(site.url(PATH))
    assert state_of(url) == RemoteState(is_here=True, newest=first.newest, problem="it is answered with 500")
    site.status = 200
    fetched(site.url(PATH))  # it has not changed
    assert site.asked[-1] == (PATH, 304)
    assert state_of(url).newest > first.newest and not state_of(url).problem


def test_A15_a_server_that_is_gone_or_silent(site: HttpsFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cannot ask 127.0.0.1:1" in fetched("https://127.0.0.1:1/x")[1][0]
    monkeypatch.setattr(remote, "TIMEOUT", 0.2)
    site.open.clear()
    copy, (said,) = fetched(site.url(PATH))
    assert copy is None
    assert "did not answer within 0.2 s" in said


def test_a_certificate_of_nobody_known_is_refused(site: HttpsFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    copy, (said,) = fetched(site.url(PATH))
    assert copy is None
    assert "certificate" in said


def test_it_follows_redirects_to_https_only(site: HttpsFiles) -> None:
    site.redirects = {"/old": site.url(PATH), "/plain": "http://127.0.0.1:1/x", "/loop": site.url("/loop")}
    assert fetched(site.url("/old"))[0]
    assert "redirects to http://127.0.0.1:1, which is not followed" in fetched(site.url("/plain"))[1][0]
    assert fetched(site.url("/loop"))[0] is None


def test_a_pin_takes_that_content_and_no_other_and_is_asked_for_once(site: HttpsFiles) -> None:
    pinned = f"{site.url(PATH)}#sha256={site.sha256(PATH)}"
    for _ in range(2):
        assert fetched(pinned)[0]
    assert len(site.asked) == 1
    with pytest.raises(KfwError, match="has the sha256"):
        fetched(f"{site.url(PATH)}#sha256={'0' * 64}")
    assert cached(url_of(f"{site.url(PATH)}#sha256={'0' * 64}")) is None


def test_a_file_is_taken_by_its_url(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_bytes(TEAM)
    copy, told = fetched(f"file://{tmp_path}/team.yaml")
    assert copy and not told
    assert "cannot be read" in fetched(f"file://{tmp_path}/none.yaml")[1][0]
    assert "cannot be read" in fetched("file:///dev/zero")[1][0]


@pytest.mark.parametrize(
    "url",
    [
        "http://x/y",
        "x",
        "ftp://x",
        "https://",
        "https://a:b@x/y",
        "file://host/x",
        "file:x",
        "https://x#md5=1",
        "https://[",
    ],
)
def test_what_is_no_such_url_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        url_of(url)
    assert "a:b" not in raised.value.what


def test_a_query_is_asked_for_and_not_shown(site: HttpsFiles) -> None:
    site.status = 500
    (said,) = fetched(f"{site.url(PATH)}?key=geheim")[1]
    assert "geheim" not in said


# -- what may stand in it


def keys(block: Block, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, each in block.fields.items():
        inner = each.shape.block if isinstance(each.shape, Named) else each.shape
        at = (*path, name, "x") if isinstance(each.shape, Named) else (*path, name)
        if isinstance(inner, Block):
            yield from keys(inner, at)
        else:
            yield (*path, each.stores or name)


#: Runs something, names a file, goes to the network, or is another program's.
REFUSED = {"health.command", "kubeconfig", "env", "protoFiles"}


def test_every_key_of_a_forward_is_thought_about_and_daemon_and_collector_are_out() -> None:
    for path in keys(SETTINGS):
        key = remote._place(list(path))
        refused = ".".join(key) in REFUSED or path[0] in ("daemon", "collector")
        assert remote.is_allowed(key) is not refused, path


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"health": {"type": "exec"}}, "runs a program"),
        ({"health": {"type": "exec", "command": ["sh", "-c", "x"]}}, "health.command is not allowed"),
        ({"kubeconfig": "/tmp/evil"}, "kubeconfig is not allowed"),
        ({"env": {"PATH": "/tmp/evil"}}, "env.PATH is not allowed"),
        ({"method": "kubefwd"}, "runs as root"),
        ({"ui": "docker"}, "runs a program"),
        ({"ui": "grpcui"}, "runs a program"),
        ({"address": "0.0.0.0"}, "opens the port to others"),
        ({"address": ["127.0.0.1", "192.168.1.1"]}, "opens the port to others"),
    ],
)
@pytest.mark.parametrize("where", ["forward", "defaults", "profile", "listed"])
def test_A15_it_cannot_name_programs_files_or_other_addresses(
    site: HttpsFiles, said: dict[str, object], why: str, where: str
) -> None:
    forward: dict[str, object] = {"target": "service/api", "targetPort": 80, "localPort": 9080}
    tree: dict[str, object] = {"portForwards": {"api": forward}}
    if where == "forward":
        forward |= said
    elif where == "defaults":
        tree["defaults"] = said
    elif where == "profile":
        tree["profiles"] = {"p": {"namespaces": ["a"], **said}}
    else:
        tree["profiles"] = {"p": {"portForwards": {"b": {**forward, "localPort": 9081, **said}}}}
    site.files[PATH] = json.dumps(tree).encode()
    copy, told = fetched(site.url(PATH))
    if where != "forward" and "env" in said:
        assert copy is None  # a key that stands nowhere else
    else:
        assert copy is None
        assert why in told[0]


def test_A15_a_copy_that_somebody_changed_is_checked_when_it_is_read(
    project: Project, site: HttpsFiles
) -> None:
    copy, _ = fetched(site.url(PATH))
    assert copy
    copy.path.write_bytes(TEAM + b"daemon: {metricsListen: '0.0.0.0:9464'}\n")
    with pytest.raises(UsageError, match=r"daemon.metricsListen is not allowed in a config at a URL"):
        loaded(project, site.url(PATH))
