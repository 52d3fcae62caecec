"""Statuses as lines."""

import re
from typing import Any

import pytest

from kfw import view
from kfw.model import Status
from kfw.view import details
from tests.client.fake_daemon import event, row

NOW = 1795248000.0  # 2026-11-21T08:00:00Z
DAEMON = {"pid": 4711, "uptimeSeconds": 7380.0, "rssBytes": 38_200_000, "version": "0.1.0"}


def table(*rows: dict[str, object], width: int = 80, colour: bool = False) -> list[str]:
    return view.status_lines({"daemon": DAEMON, "forwards": rows}, width=width, colour=colour, now=NOW)


def test_a_table_says_what_is_where() -> None:
    db = row("db", localPort=5432, url="localhost:5432", target="statefulset/db", targetPort="pg")
    assert table(row("api"), db) == [
        "NAME  STATUS       LOCAL                  TARGET",
        "api   ● active 2m  http://localhost:8080  shop/service/api:80",
        "db    ● active 2m  localhost:5432         shop/statefulset/db:pg",
        "",
        "daemon: pid 4711, up 2h3m, 38.2 MB, version 0.1.0",
    ]


def test_below_a_row_stands_what_is_wrong_and_when_it_is_tried_again() -> None:
    lines = table(
        row(
            "db",
            "reconnecting",
            reason="no-ready-pod",
            message="service/db has no ready pod",
            nextAttemptAt="2026-11-21T08:00:04Z",
        )
    )
    assert lines[1] == "db    ◐ reconnecting  localhost:8080  shop/service/db:80"
    assert lines[2] == "      no-ready-pod: service/db has no ready pod; next attempt in 4s"


def test_without_forwards_it_says_what_to_do() -> None:
    assert "kfw up" in table()[0]


@pytest.mark.parametrize(
    ("remote", "said"),
    [
        ({"state": "current"}, "defaults at https://config.example/team.yaml"),
        (
            {"state": "old", "newestAt": "1970-01-01T00:00:00Z", "message": "it is answered with 500"},
            "defaults at https://config.example/team.yaml could not be read, "
            "a copy from 2h0m ago is used: it is answered with 500",
        ),
        (
            {"state": "missing", "newestAt": None, "message": "cannot ask config.example: refused"},
            "defaults at https://config.example/team.yaml are not in use: cannot ask config.example: refused",
        ),
        (
            {"state": "missing"},
            "defaults at https://config.example/team.yaml are not in use, there is no copy",
        ),
    ],
)
def test_A15_defaults_at_a_url_are_named_and_what_is_old_of_them(remote: dict[str, Any], said: str) -> None:
    reply = {
        "daemon": {"pid": 1},
        "forwards": [],
        "remoteDefaults": [{"url": "https://config.example/team.yaml", **remote}],
    }
    lines = view.status_lines(reply, width=200, colour=False, now=7200.0)
    assert lines[-2:] == [said, "daemon: pid 1"]


def test_the_context_is_shown_only_where_there_are_several() -> None:
    assert "CONTEXT" not in table(row("a"), row("b"))[0]
    lines = table(row("a"), row("b", context="prod"), width=120)
    assert lines[0].endswith("CONTEXT")
    assert lines[2].endswith("prod")


@pytest.mark.parametrize("width", [80, 100])
def test_FR_CLI_08_the_table_fits_the_terminal(width: int) -> None:
    long = row(
        "a-name-that-somebody-made-very-long-indeed",
        "error",
        namespace="a-namespace-that-is-quite-long-as-well",
        target="deployment/agent-management-platform-console",
        reason="port-in-use",
        message="cannot listen on 8080: nginx (pid 41) has it, " * 4,
    )
    lines = table(
        long,
        row("b", context="gke_some-project_europe-west1_a-cluster", url="http://localhost:50123"),
        width=width,
    )
    assert max(map(len, lines)) <= width


def test_colours_are_only_there_when_asked_for_and_change_no_word() -> None:
    rows = [row(status, status) for status in Status]
    plain, coloured = table(*rows), table(*rows, colour=True)
    assert not any("\x1b" in line for line in plain)
    assert any("\x1b[32m● active" in line for line in coloured)
    assert [_without_colours(line) for line in coloured] == plain


def _without_colours(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


def test_every_status_has_a_look() -> None:
    assert all(view.symbol(status) for status in Status)


def test_a_tool_s_words_cannot_paint_the_terminal() -> None:
    assert view.clean("\x1b[31mred\x1b[0m\r\nand\ttwo") == r"\x1b[31mred\x1b[0m and two"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (42, "42s"), (59.9, "59s"), (300, "5m"), (7380, "2h3m"), (100_800, "1d4h")],
)
def test_uptimes_are_short(seconds: float, text: str) -> None:
    assert view.uptime(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (38_200_000, "38.2 MB"),
        (10**13, "10.0 TB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_sizes_have_units(count: int, text: str) -> None:
    assert view.size(count) == text


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "http://localhost:8080"),
        ({"url": None}, "localhost:8080"),
        ({"url": None, "localAddresses": ["0.0.0.0"]}, "0.0.0.0:8080"),
        ({"url": None, "localAddresses": ["fd00::1"]}, "[fd00::1]:8080"),
        ({"url": None, "localAddresses": []}, "localhost:8080"),
    ],
)
def test_the_local_address_is_one_to_use(more: dict[str, Any], text: str) -> None:
    assert view.local(row("api", **more)) == text


def test_a_change_is_one_line() -> None:
    assert view.change_line(row("api"), NOW) == "api: active on http://localhost:8080"
    assert (
        view.change_line(row("api", "error", reason="bad-config", message="a\nb"), NOW)
        == "api: error: bad-config: a b"
    )


def test_A3_a_port_that_is_not_the_configured_one_is_always_said() -> None:
    moved = {**row("api"), "localPort": 8081, "url": "http://localhost:8081"}
    assert "      not on 8080, which was taken" in table(moved)
    assert (
        view.change_line(moved, NOW) == "api: active on http://localhost:8081: not on 8080, which was taken"
    )
    (line,) = view.live_lines([moved], names=3, width=99, colour=False, now=NOW)
    assert line.endswith("http://localhost:8081: not on 8080, which was taken")


def test_live_lines_never_wrap() -> None:
    rows = [row("api", "starting", message="waiting " * 30), row("database")]
    lines = view.live_lines(rows, names=8, width=50, colour=False, now=NOW)
    assert lines[1] == "● database  active        http://localhost:8080"
    assert max(map(len, lines)) <= 50


def test_an_attempt_that_is_due_is_now() -> None:
    late = row("a", "reconnecting", nextAttemptAt="2026-11-21T07:59:00+00:00")
    assert view.remark(late, NOW) == "next attempt now"


def test_an_event_says_when_who_and_what() -> None:
    line = details.event_line(event(5, row("api")), colour=False)
    assert line.endswith("  api: active on http://localhost:8080")
    stopping = {
        "seq": 1,
        "time": "2026-11-21T08:00:00Z",
        "type": "daemon",
        "message": "stopping",
        "forward": None,
    }
    assert details.event_line(stopping, colour=False).endswith("  daemon: stopping")


def test_an_explanation_marks_the_chosen_way() -> None:
    explanation = {
        "forward": row("api"),
        "candidates": [
            {"method": "nodeport", "chosen": True, "why": "goes to node a:30080"},
            {"method": "kubectl", "chosen": False, "why": "could be used, but one before it works"},
        ],
        "limits": ["the cluster balances over pods itself"],
        "roundTripMs": 0.42,
    }
    assert details.explain_lines(explanation, width=80, colour=False) == [
        "api: http://localhost:8080 -> shop/service/api:80 in kind-dev",
        "in a browser also: http://api.shop.localhost:8080",
        "status: ● active",
        "round trip: 0.4 ms",
        "ways:",
        "  > nodeport goes to node a:30080",
        "    kubectl  could be used, but one before it works",
        "limits of this method:",
        "  - the cluster balances over pods itself",
    ]


@pytest.mark.parametrize(
    ("more", "host"),
    [
        ({}, "http://api.shop.localhost:8080"),
        ({"url": "https://localhost:8443"}, "https://api.shop.localhost:8443"),
        ({"target": "statefulset/db", "namespace": "x"}, "http://db.x.localhost:8080"),
        ({"localAddresses": ["0.0.0.0"]}, "http://api.shop.localhost:8080"),
        ({"url": "localhost:8080"}, None),
        ({"url": None}, None),
        ({"url": "http://api:80", "localNames": ["api"]}, None),
        ({"localAddresses": ["192.168.1.5"]}, None),
    ],
)
def test_what_speaks_http_on_loopback_has_a_host_of_its_own(more: dict[str, Any], host: str | None) -> None:
    assert view.own_host(row("api", **more)) == host


def test_wide_has_a_column_for_browsers_only_where_one_would_help() -> None:
    def header(*rows: dict[str, Any]) -> str:
        return view.forward_lines(rows, width=80, colour=False, now=0.0, wide=True)[0]

    assert "BROWSER" in header(row("api"), row("db", url=None))
    assert "BROWSER" not in header(row("db", url=None))


def away(name: str, context: str = "dev", **more: Any) -> dict[str, Any]:
    return row(
        name,
        "suspended",
        **{
            "context": context,
            "reason": "cluster-unreachable",
            "message": "connection refused",
            "since": "2026-11-21T07:58:00Z",
            "nextAttemptAt": "2026-11-21T08:00:04Z",
        }
        | more,
    )


def test_one_outage_is_one_line() -> None:
    lines = table(*(away(f"s-{number}") for number in range(9)), row("other", context="prod"), width=100)
    assert (
        lines[0] == "dev: cannot be reached for 2m, 9 forwards wait: connection refused; next attempt in 4s"
    )
    assert lines[1].startswith("NAME")
    assert "\n".join(lines).count("connection refused") == 1
    assert len(lines) == 1 + 1 + 10 + 2


def test_two_outages_are_two_lines_and_one_forward_keeps_its_own() -> None:
    expired = {"reason": "login-expired", "message": "the token is too old"}
    lines = table(away("a"), away("b"), away("c", "prod", **expired), away("d", "prod", **expired), width=120)
    assert sorted(line.split(" for ")[0] for line in lines[:2]) == [
        "dev: cannot be reached",
        "prod: login expired",
    ]
    assert "cluster-unreachable: connection refused" in table(away("a"), row("b"))[2]


def test_an_outage_in_progress_is_one_line_too() -> None:
    lines = view.live_lines([away("a"), away("b")], names=1, width=70, colour=False, now=NOW)
    assert len(lines) == 3
    assert lines[1].endswith("waits for dev")
    assert max(map(len, lines)) <= 70


def test_suspended_is_not_in_the_colour_of_stopped() -> None:
    looks = [view.painted_status(status, colour=True) for status in ("suspended", "stopped")]
    assert looks[0].startswith("\x1b[33m")
    assert looks[1].startswith("\x1b[90m")


@pytest.mark.parametrize(
    ("texts", "width"),
    [
        (
            [
                "arn:aws:eks:eu-west-1:111122223333:cluster/dev",
                "arn:aws:eks:eu-west-1:111122223333:cluster/prod",
            ],
            12,
        ),
        (["gke_shop-dev_europe-west1_main-cluster", "gke_shop-prod_europe-west1_main-cluster"], 16),
        (["dev.example.com/api-server-of-everything", "prod.example.com/api-server-of-everything"], 10),
        (["openchoreo-observability/service/observer:8080", "openchoreo-observability/service/web:80"], 20),
    ],
)
def test_what_is_cut_can_still_be_told_apart(texts: list[str], width: int) -> None:
    cut = view.cut_apart(texts, width)
    assert len(set(cut)) == 2
    assert {len(text) for text in cut} == {width}


def test_a_target_that_is_cut_keeps_its_service() -> None:
    long = row(
        "observer", namespace="openchoreo-observability-plane", target="service/observer", targetPort=80
    )
    assert table(long, width=60)[1].endswith("observer:80")


def test_what_each_way_says_is_said_once_and_nothing_goes_through_what_is_down() -> None:
    why = "service multi has no TCP port htp; set targetPort to one of 8080 (http), 9000 (admin)"
    forward = row("web", "error", message=why)
    other = "the node port of service multi cannot be reached from here, as its nodes are behind a wall"
    said = {"nodeport": why, "tunnel": other, "socat": other, "kubectl": "short", "forwarder": "short"}
    candidates = [{"method": method, "chosen": False, "why": each} for method, each in said.items()]
    shown = " ".join(
        details.explain_lines(
            {"forward": forward, "candidates": candidates, "limits": []}, width=80, colour=False
        )
    )
    text = " ".join(shown.split())
    assert (text.count("has no TCP port"), text.count("behind a wall"), text.count("short")) == (1, 1, 2)
    assert "nodeport as above" in text
    assert "socat as tunnel" in text
    down = {"forward": {**forward, "status": "stopped"}, "candidates": [], "limits": []}
    lines = details.explain_lines(down, width=80, colour=False)
    assert "it is not connected: `kfw up web` starts it" in lines
    assert "ways:" not in lines


def test_in_60_columns_a_name_is_whole_and_what_has_no_room_is_left_out() -> None:
    name = "traces-observer-planes"
    lines = table(row(name), row("b", context="prod"), width=60)
    assert lines[0].split() == ["NAME", "STATUS", "LOCAL"]
    assert lines[1].startswith(f"{name}  ● active")
    assert max(map(len, lines)) <= 60


def test_which_cluster_stays_longer_than_which_target() -> None:
    clusters = [f"arn:aws:eks:eu-west-1:111122223333:cluster/{name}" for name in ("dev", "prod")]
    lines = table(*(row(f"checkout-{name[-4:]}", context=name) for name in clusters), width=72)
    assert lines[0].split() == ["NAME", "STATUS", "LOCAL", "CONTEXT"]
    assert [line[-4:] for line in lines[1:3]] == ["/dev", "prod"]


def test_a_target_loses_its_namespace_before_it_is_cut_unless_that_tells_two_apart() -> None:
    wide = 60 + len("TARGET")
    assert table(row("a", namespace="a-long-namespace"), width=wide)[1].endswith("  service/a:80")
    both = table(
        row("a", namespace="one-namespace"),
        row("b", namespace="two-namespace", target="service/a"),
        width=wide,
    )
    assert both[1].split()[-1] != both[2].split()[-1]


def test_an_answer_without_room_stands_below_its_port() -> None:
    result = {
        "name": "api",
        "local": "http://localhost:8080",
        "ok": True,
        "protocol": "http",
        "answer": "200",
    }
    failed = {**result, "name": "b" * 50, "ok": False, "protocol": "", "answer": "no pod is ready " * 5}
    lines = details.verify_lines([result, failed], width=60, colour=False)
    assert lines[0].split() == ["✓", "api", "http://localhost:8080"]
    assert lines[1] == "    http 200"
    assert "…" in lines[2]
    assert max(map(len, lines)) <= 60
    assert len(details.verify_lines([result, failed], width=10_000, colour=False)) == 2


def test_what_explain_says_wraps_at_words_and_hangs() -> None:
    origins = [{"key": "namespace", "value": "a-namespace-of-some-length", "origin": "project kfw.yaml:12"}]
    explanation = {"forward": row("api"), "candidates": [], "limits": [], "origins": origins}
    lines = details.explain_lines(explanation, width=60, colour=False)
    assert max(map(len, lines)) <= 60
    assert lines[-2:] == ["  namespace: a-namespace-of-some-length (project", "    kfw.yaml:12)"]


@pytest.mark.parametrize(
    ("ui", "said"),
    [
        (None, ""),
        (
            {"kind": "swagger", "status": "active", "url": "http://127.0.0.1:9100/"},
            "Swagger UI: http://127.0.0.1:9100/",
        ),
        ({"kind": "grpc", "status": "starting", "url": None, "message": ""}, "gRPC UI: starting"),
        (
            {"kind": "grpc", "status": "error", "message": "grpcui\x1b[2J exited"},
            "gRPC UI: grpcui\\x1b[2J exited",
        ),
        ({"kind": "new", "status": "active", "url": "http://x/"}, "new: http://x/"),
    ],
)
def test_below_a_row_stands_its_page_or_why_it_is_not_there(ui: dict[str, Any] | None, said: str) -> None:
    lines = table(row("api", ui=ui), width=120)
    assert [line.strip() for line in lines[2:-2]] == ([said] if said else [])
    assert view.change_line(row("api", ui=ui), NOW).removeprefix("api: active on http://localhost:8080") == (
        f": {said}" if said else ""
    )
