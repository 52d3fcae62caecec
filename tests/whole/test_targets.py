"""What can be named as a target, by which port, and what is said of what cannot."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from kfw.sandbox.manifests import default_set, deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.whole.place import Place
from tests.whole.program import Program

Ports = Callable[[int], list[int]]

#: What the sandbox's pods of the quick start say.
SAYS = {
    "amp-console": "the console",
    "amp-api": "the API",
    "amp-traces-observer": "the traces observer",
    "data-prepper": "the data prepper",
    "gateway-external": "the gateway",
}


def test_A1_two_services_are_active_and_carry_bytes_both_ways_without_a_restart(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}, replicas=2),
        service(namespace, "web", service_port(80, "http")),
        deployment(namespace, "digest", "kfw/digest", ports={"digest": 9001}),
        service(namespace, "digest", service_port(9001, "digest")),
    )
    web, digest = ports(2)
    seq = kfw.seq()
    kfw.up(
        {
            "web": {"target": "service/web", "localPort": web, "namespace": namespace},
            "digest": {"target": "service/digest", "localPort": digest, "namespace": namespace},
        }
    )
    data = bytes(range(256)) * 4096
    for _ in range(5):
        assert talk.exchange(digest, data).startswith(b"%d " % len(data))
        assert talk.pod_behind(web).startswith("web-")
    rows = kfw.rows()
    assert {(row["status"], row["restarts"]) for row in rows.values()} == {("active", 0)}
    assert rows["digest"]["bytesOut"] == 5 * len(data)
    assert rows["digest"]["bytesIn"] > 5 * 64
    assert [row["status"] for row in kfw.history("web", seq)] == ["starting", "active"]


def test_A2_a_missing_service_is_an_error_in_kubectls_words_and_the_other_stays_active(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
    )
    good, bad = ports(2)
    forwards = {
        "web": {"target": "service/web", "localPort": good, "namespace": namespace},
        "nope": {"target": "service/nope", "targetPort": 80, "localPort": bad, "namespace": namespace},
    }
    done = kfw.up(forwards, code=1)

    row = kfw.status("nope")
    assert (row["status"], row["reason"]) == ("error", "target-not-found")
    assert 'services "nope" not found' in row["message"]
    assert 'services "nope" not found' in done.stdout
    assert [one["status"] for one in kfw.history("web")][-1] == "active"
    assert kfw.status("web")["restarts"] == 0
    assert talk.pod_behind(good).startswith("web-")


def test_B9_the_five_services_of_the_quick_start_answer_each_with_another_body(
    kfw: Program, shared: Place, ports: Ports
) -> None:
    shared.apply(*default_set())
    text = (Path(__file__).parents[2] / "quick-start" / "kfw.yaml").read_text()
    forwards = yaml.safe_load(text)["portForwards"]
    for entry, local in zip(forwards.values(), ports(5), strict=True):
        entry["localPort"] = local
    kfw.up(forwards)
    assert {name: _says(row) for name, row in kfw.rows().items()} == SAYS
    assert kfw("verify").returncode == 0


def _says(row: dict[str, object]) -> str:
    scheme = "https" if row["targetPort"] == "https" else "http"
    return str(talk.get(f"{scheme}://127.0.0.1:{row['localPort']}/")["says"])


@pytest.mark.parametrize("method", ["nodeport", "socat"])
def test_B10_a_service_without_a_node_port_is_named_with_its_type_and_the_fix_and_the_others_run(
    kfw: Program, shared: Place, namespace: str, ports: Ports, method: str
) -> None:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
        service(namespace, "inner", service_port(80, "http"), kind="ClusterIP", selector={"app": "web"}),
    )
    here = {"namespace": namespace, "method": method}
    good, bad = ports(2)
    forwards = {
        "web": {"target": "service/web", "localPort": good, **here},
        "inner": {"target": "service/inner", "localPort": bad, **here},
    }
    done = kfw.up(forwards, code=1)

    row = kfw.status("inner")
    assert (row["status"], row["reason"]) == ("error", "no-node-port")
    assert "service inner is of type ClusterIP, so it has no node port" in row["message"]
    assert "patch svc inner -p" in row["message"]
    assert "is of type ClusterIP" in done.stdout
    assert talk.pod_behind(good).startswith("web-")


def test_A28_B11_the_port_is_chosen_by_number_by_name_or_by_that_of_the_container(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    """Named target ports; a target port left out is the service's number; the first port is not a default."""
    both = {"http": 8080, "admin": 9090}
    unset = service_port(9090, "admin")
    del unset["targetPort"]
    shared.apply(
        deployment(namespace, "web", ports=both),
        service(namespace, "web", service_port(80, "web", "http"), service_port(81, "admin")),
        service(namespace, "unset", unset, selector={"app": "web"}),
    )
    wanted = {
        "number": ("service/web", 81, 9090),
        "name": ("service/web", "admin", 9090),
        "first": ("service/web", 80, 8080),
        "target-name": ("service/web", "http", 8080),
        "no-target-port": ("service/unset", 9090, 9090),
    }
    locals_ = dict(zip(wanted, ports(len(wanted)), strict=True))
    kfw.up(
        {
            name: {"target": to, "targetPort": p, "localPort": locals_[name], "namespace": namespace}
            for name, (to, p, _) in wanted.items()
        }
    )
    for name, (_, _, container) in wanted.items():
        assert talk.get(f"http://127.0.0.1:{locals_[name]}/")["port"] == container, name


def test_A28_B11_a_port_that_is_unknown_or_not_the_only_one_is_an_error_that_lists_what_there_is(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080, "admin": 9090}),
        service(namespace, "web", service_port(80, "http"), service_port(81, "admin")),
        service(namespace, "odd", service_port(80, "nope"), selector={"app": "web"}),
    )
    unknown, unnamed, odd = ports(3)
    forwards = {
        "unknown": {"target": "service/web", "targetPort": "nope", "localPort": unknown},
        "unnamed": {"target": "service/web", "localPort": unnamed},
        "odd": {"target": "service/odd", "localPort": odd},
    }
    kfw.up({name: {**entry, "namespace": namespace} for name, entry in forwards.items()}, code=1)
    messages = {name: row["message"] for name, row in kfw.rows().items() if row["reason"] == "target-port"}
    assert (
        'service web has no TCP port "nope"; set targetPort to one of 80 (http), 81 (admin)'
        in messages["unknown"]
    )
    assert "service web has several TCP ports; set targetPort to one of" in messages["unnamed"]
    assert 'has no port "nope", which service odd names' in messages["odd"]


def test_A29_a_tcp_port_is_forwarded_although_udp_of_the_same_number_comes_first(
    kfw: Program, shared: Place, namespace: str, port: int
) -> None:
    dns = service_port(53, "dns", 9000)
    shared.apply(
        deployment(namespace, "dns", "kfw/echo", ports={"echo": 9000}),
        service(namespace, "dns", {**dns, "protocol": "UDP"}, {**dns, "name": "dns-tcp"}),
    )
    kfw.up({"dns": {"target": "service/dns", "targetPort": 53, "localPort": port, "namespace": namespace}})
    assert talk.exchange(port, b"a question") == b"a question"


def test_A37_a_closed_container_port_is_never_active(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http", 7777)),
    )
    relayed, socat = ports(2)
    forwards = {
        "relayed": {"localPort": relayed, "method": "nodeport"},
        "socat": {"localPort": socat, "method": "socat"},
    }
    both = {"target": "service/web", "namespace": namespace}
    kfw.up({name: {**entry, **both} for name, entry in forwards.items()}, "--timeout", "2s", code=None)
    for name in forwards:
        assert "active" not in [row["status"] for row in kfw.history(name)]
        row = kfw.status(name)
        assert row["status"] == "starting", row
        assert "closed at once" in row["message"] or "reset" in row["message"], row
        assert row["url"] is None
