"""kfw up with defaults at a URL: they carry, stay when the server goes, and are followed by the daemon."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.config.https_files import HttpsFiles, serving_files
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


def team(namespace: str, port: int) -> bytes:
    entry = f"{{target: service/web, targetPort: 80, namespace: {namespace}, localPort: {port}}}"
    return f"portForwards:\n  web: {entry}\n".encode()


def test_A15_used_cached_and_gone(
    site: HttpsFiles, shared: Place, namespace: str, port: int, make_kfw: Make, tmp_path: Path
) -> None:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
    )
    site.files[PATH] = team(namespace, port)
    kfw: Program = make_kfw(shared.kubeconfig, SSL_CERT_FILE=str(tmp_path / "ca.crt"))
    url = site.url(PATH)
    assert kfw("up", "--config-url", url).stderr.count("is not used") == 0
    assert talk.pod_behind(port).startswith("web-")
    origins = {each["key"]: each["origin"] for each in kfw.json("explain", "web")["origins"]}
    assert origins["localPort"] == f"remote {url}:2"
    assert f"remote {url}:2" in kfw("config", "show", "--origin", "--config-url", url).stdout

    site.status = 500
    done = kfw("up", "--config-url", url)
    assert (
        f"the config at {url} is not used: it is answered with 500; the copy from before is used"
        in done.stderr
    )
    assert kfw.status("web")["status"] == "active"

    site.status, second = 200, talk.free_ports(1)[0]
    site.files[PATH] = team(namespace, second)
    kfw("config", "show", "--config-url", url)  # what it fetches, the daemon takes
    kfw.until_row("web", localPort=second, status="active")

    for file in (kfw.home / "cache" / "remote").glob("*"):
        file.unlink()
    site.status = 500
    gone = kfw("up", "--config-url", url, code=None)
    assert "kfw goes on without it" in gone.stderr
    assert gone.returncode == 2  # nothing else is configured


def test_A15_an_empty_url_disables_what_the_environment_says(
    site: HttpsFiles, shared: Place, make_kfw: Make, tmp_path: Path
) -> None:
    site.files[PATH] = team("demo", 9999)
    kfw = make_kfw(shared.kubeconfig, SSL_CERT_FILE=str(tmp_path / "ca.crt"), KFW_CONFIG_URL=site.url(PATH))
    assert "web" in kfw.json("config", "show")["portForwards"]
    assert not kfw.json("config", "show", "--config-url", "")["portForwards"]
    until(lambda: (PATH, 200) in site.asked, 5, lambda: "it was asked")
