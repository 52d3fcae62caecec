"""TLS and logins of the servers that a collector asks: real HTTPS, real gRPC over TLS, which refuse who does not log in."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kfw.collector.collected import open_record
from kfw.collector.collection import Backends, Collection
from kfw.collector.server_access import ca_certificates, login_headers, trust
from kfw.collector.usage_events import UsageEvent
from kfw.config.collector_block import FigureQuestion, ServerAccess
from kfw.errors import KfwError
from tests.collector.servers import Catalog, serving
from tests.collector.test_collecting import DAY, nowhere
from tests.config.fakes import Project
from tests.kube.certificates import another_ca, ca, pair

TOKEN = "tok-5d41402abc4b2a76"
#: What the config says of every server, for a certificate of the test's CA that has this name.
NAME = "usage.shop.example"


@contextmanager
def guarded(login: tuple[str, str] | None = None, *, tls: bool = True) -> Iterator[Catalog]:
    catalog = Catalog(tls=pair("usage", NAME) if tls else None, login=login)
    catalog.add("org", "env_1", "Production", 156, 423, 12, 87)
    with serving(catalog):
        yield catalog


@pytest.fixture
def collected(tmp_path: Path) -> Callable[..., tuple[list[UsageEvent], list[str]]]:
    """`collected(catalog, **access)`: the events, and what was said, of a config in which every server has this access."""

    (tmp_path / "config").mkdir()
    project = Project(tmp_path / "config")

    def run(catalog: Catalog, **access: object) -> tuple[list[UsageEvent], list[str]]:
        services = catalog.addresses()
        if catalog.tls:
            services["environment"]["url"] = services["environment"]["url"].replace("http:", "https:")
        for name, block in services.items():
            block.update(access)
            if name == "environment":
                block.pop("tls", None)
        project.write("kfw.yaml", json.dumps({"collector": {"tenants": ["org"], "services": services}}))
        settings = replace(project.load().collector, timeout=60.0)
        events, told = list[UsageEvent](), list[str]()
        with open_record(tmp_path / "r.json") as record, Backends(nowhere, settings.timeout) as backends:
            Collection(settings, backends, events.append, told.append).run(("org",), DAY, record, force=False)
        return events, told

    return run


Collected = Callable[..., tuple[list[UsageEvent], list[str]]]


@pytest.mark.parametrize("header", ["", "x-api-key"])
@pytest.mark.parametrize("where", ["env", "file"])
def test_A23_over_tls_with_a_token_of_a_variable_or_a_file(
    collected: Collected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, header: str
) -> None:
    (tmp_path / "ca.crt").write_bytes(ca())
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setenv("USAGE_TOKEN", TOKEN)
    said = {"tokenEnv": "USAGE_TOKEN"} if where == "env" else {"tokenFile": str(tmp_path / "token")}
    more = {"tokenHeader": "X-Api-Key"} if header else {}
    login = (header, TOKEN) if header else ("authorization", f"Bearer {TOKEN}")
    with guarded(login) as catalog:
        events, told = collected(
            catalog, tls=True, caFile=str(tmp_path / "ca.crt"), serverName=NAME, **said, **more
        )
    assert told == []
    assert [event.missing for event in events] == [[], []]
    assert events[0].metrics["component_count"] == 156


def test_A25_a_token_that_is_refused_is_missing_figures_and_never_shown(
    collected: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USAGE_TOKEN", TOKEN)
    with guarded(("authorization", "Bearer another"), tls=False) as catalog:
        _, told = collected(catalog, tokenEnv="USAGE_TOKEN")
    assert any("is answered with 401" in each for each in told), told
    assert TOKEN not in " ".join(told)


def test_A25_grpc_says_that_it_was_refused(catalog_of_grpc: Catalog) -> None:
    address = f"localhost:{catalog_of_grpc.ports['recommendations']}"
    question = FigureQuestion(address=address, method="ListRecommendations")
    with Backends(nowhere, 60.0) as backends, pytest.raises(KfwError, match="UNAUTHENTICATED: who are you"):
        backends.answer(question, {"tenant": "org", "workspace": "env_1"})


@pytest.fixture
def catalog_of_grpc() -> Iterator[Catalog]:
    with guarded(("authorization", "Bearer another"), tls=False) as catalog:
        yield catalog


@pytest.mark.parametrize("why", ["another CA", "another name"])
def test_a_server_that_is_not_the_one_is_not_asked(collected: Collected, tmp_path: Path, why: str) -> None:
    (tmp_path / "ca.crt").write_bytes(another_ca() if why == "another CA" else ca())
    name = "other.example" if why == "another name" else NAME
    with guarded() as catalog:
        events, told = collected(catalog, tls=True, caFile=str(tmp_path / "ca.crt"), serverName=name)
        address = f"localhost:{catalog.ports['recommendations']}"
        access = ServerAccess(tls=True, ca_file=str(tmp_path / "ca.crt"), server_name=name)
        question = FigureQuestion(address=address, method="ListRecommendations", access=access)
        with Backends(nowhere, 60.0) as backends, pytest.raises(KfwError, match="UNAVAILABLE"):
            backends.answer(question, {})
    assert not catalog.asked
    assert events == []
    assert "certificate" in told[0]


# -- what is wrong with a token, or with certificates


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot read"),
        (b"", "has no token"),
        (b" \n", "has no token"),
        (b"a\nb", "a header cannot have"),
    ],
)
def test_a_file_without_a_token_is_named(tmp_path: Path, content: bytes | None, why: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(KfwError, match=why) as raised:
        login_headers(ServerAccess(token_file=str(file)))
    assert str(file) in raised.value.what


def test_a_variable_without_a_token_is_named() -> None:
    with pytest.raises(KfwError, match="the variable USAGE_TOKEN has no token"):
        login_headers(ServerAccess(token_env="USAGE_TOKEN"), {})


def test_certificates_that_are_none_are_said(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("no certificate")
    with pytest.raises(KfwError, match="has no certificates"):
        trust(ServerAccess(tls=True, ca_file=str(tmp_path / "ca.crt")))
    with pytest.raises(KfwError, match="cannot read"):
        ca_certificates(ServerAccess(tls=True, ca_file=str(tmp_path / "none.crt")))
