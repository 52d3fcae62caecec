"""kfw up with defaults at a URL: they carry, stay when the server goes, and are followed by the daemon."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.config.https_files import HttpsFiles, serving_files, team_defaults
from tests.real import talk
from tests.real.running import until
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Program

PATH = "/team.yaml"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpsFiles]:
    with serving_files(tmp_path, monkeypatch) as made:
        yield made


def test_A15_used_cached_and_gone(
    site: HttpsFiles, shared: Place, namespace: str, port: int, make_kfw: Make, tmp_path: Path
) -> None:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
    )
    site.files[PATH] = team_defaults(namespace, port)
    kfw: Program = make_kfw(shared.kubeconfig, SSL_CERT_FILE=str(tmp_path / "ca.crt"))
    url = site.url(PATH)
    until(lambda: kfw("up", "--config-url", url, code=None).returncode == 0, 120, lambda: "it is fetched")
    assert talk.pod_behind(port).startswith("web-")
    origins = {each["key"]: each["origin"] for each in kfw.json("explain", "web")["origins"]}
    assert origins["localPort"] == f"remote {url}:2"
    assert f"remote {url}:2" in kfw("config", "show", "--origin", "--config-url", url).stdout
    assert f"defaults at {url}\n" in kfw("status").stdout

    site.status = 500
    done = kfw("up", "--config-url", url)
    assert (
        f"the config at {url} is not used: it is answered with 500; the earlier copy is used" in done.stderr
    )
    assert kfw.status("web")["status"] == "active"
    (old,) = kfw.json("status")["remoteDefaults"]
    assert (old["url"], old["state"], old["message"]) == (url, "old", "it is answered with 500")
    assert "ago is used: it is answered with 500" in " ".join(kfw("status").stdout.split())

    site.status, second = 200, talk.free_ports(1)[0]
    site.files[PATH] = team_defaults(namespace, second)
    fetched = str(second)  # by another command, and the daemon takes it
    until(lambda: fetched in kfw("config", "show", "--config-url", url).stdout, 120, lambda: "it is fetched")
    kfw.until_row("web", 60, localPort=second, status="active")
    assert kfw.json("status")["remoteDefaults"][0]["state"] == "current"

    for file in (kfw.home / "cache" / "remote").glob("*"):
        file.unlink()
    site.status = 500
    gone = kfw("up", "--config-url", url, code=None)
    assert "kfw continues without it" in gone.stderr
    assert gone.returncode == 2  # nothing else is configured
    assert kfw.json("status")["remoteDefaults"][0]["state"] == "missing"  # of what is up still


def test_A15_an_empty_url_disables_what_the_environment_says(
    site: HttpsFiles, shared: Place, make_kfw: Make, tmp_path: Path
) -> None:
    site.files[PATH] = team_defaults("demo", 9999)
    kfw = make_kfw(shared.kubeconfig, SSL_CERT_FILE=str(tmp_path / "ca.crt"), KFW_CONFIG_URL=site.url(PATH))
    until(lambda: "web" in kfw("config", "show", "--json").stdout, 120, lambda: "it is fetched")
    asked = len(site.asked)
    assert not kfw.json("config", "show", "--config-url", "")["portForwards"]
    assert len(site.asked) == asked
