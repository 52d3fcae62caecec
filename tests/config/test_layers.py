from pathlib import Path

import pytest

from kfw.config.layers import load, load_only
from kfw.config.settings import DaemonSettings
from kfw.errors import ConfigError
from kfw.model import Forward, Health, Kind, Retry, Target
from tests.config.fakes import Project

API = "portForwards:\n  api: {target: service/api, targetPort: http, localPort: 9080}\n"


def test_with_no_file_at_all_there_are_the_defaults_and_no_forwards(project: Project) -> None:
    settings = project.load()
    assert (settings.forwards, settings.files, settings.project_file) == ({}, (), None)
    assert settings.daemon == DaemonSettings()


def test_A9_follow_is_a_word_for_the_current_context_in_defaults_profiles_forwards_and_flags(
    project: Project,
) -> None:
    project.write(
        "kfw.yaml",
        """
defaults: {context: follow}
portForwards:
  a: {target: service/a, targetPort: 8080}
  b: {target: service/b, targetPort: 8081, context: kind-dev}
profiles:
  pinned: {context: null, portForwards: {c: {target: service/c, targetPort: 8082}}}
  moves: {context: follow, portForwards: {d: {target: service/d, targetPort: 8083}}}
""",
    )
    forwards = project.load().forwards
    found = {name: (one.context, one.context_follows) for name, one in forwards.items()}
    assert found == {"a": ("", True), "b": ("kind-dev", False), "c": ("", False), "d": ("", True)}
    flagged = project.load(flags={"context": "follow"}).forwards
    assert all((one.context, one.context_follows) == ("", True) for one in flagged.values())


def test_a_forward_is_read_whole(project: Project) -> None:
    project.write(
        "kfw.yaml",
        """
portForwards:
  api:
    target: deployment/api
    targetPort: http
    localPort: 9080
    namespace: shop
    context: kind-dev
    kubeconfig: kube/config
    method: kubectl
    address: [127.0.0.2, "::1"]
    readiness: running
    hold: 1m30s
    holdRefused: 500ms
    onPortInUse: next
    type: rest
    apiPath: api/v1
    swaggerPath: docs/swagger
    ui: docker
    uiPort: 9300
    protoFiles: [api.proto, /srv/all.binpb]
    retry: {initialDelay: 500ms, maxDelay: 5, multiplier: 3, maxAttempts: 7}
    health: {type: http, interval: 2s, timeout: 1s, failures: 2, path: /ready, statuses: [2xx, 404], tls: true,
             headers: ["Host: shop.example"], service: shop.Cart, command: [true-ish, "{port}"]}
""",
    )
    assert project.load().forwards["api"] == Forward(
        name="api",
        target=Target(Kind.DEPLOYMENT, "api"),
        target_port="http",
        local_port=9080,
        namespace="shop",
        context="kind-dev",
        kubeconfig=(str(project.here / "kube/config"),),
        context_is_default=False,
        addresses=("127.0.0.2", "::1"),
        method="kubectl",
        type="rest",
        api_path="api/v1",
        swagger_path="docs/swagger",
        ui="docker",
        ui_port=9300,
        proto_files=(str(project.here / "api.proto"), "/srv/all.binpb"),
        readiness="running",
        hold=90.0,
        hold_refused=0.5,
        on_port_in_use="next",
        retry=Retry(0.5, 5.0, 3.0, 7),
        health=Health(
            "http",
            2.0,
            1.0,
            2,
            "/ready",
            statuses=("2xx", "404"),
            tls=True,
            headers=("Host: shop.example",),
            service="shop.Cart",
            command=("true-ish", "{port}"),
        ),
        profile=None,
        enabled=True,
        source=str(project.here / "kfw.yaml"),
    )


def test_what_a_forward_does_not_say_is_open_or_the_default(project: Project) -> None:
    project.write("kfw.yaml", API)
    api = project.load().forwards["api"]
    assert api == Forward(
        "api",
        Target(Kind.SERVICE, "api"),
        "http",
        9080,
        namespace="",
        context="",
        context_is_default=True,
        source=str(project.here / "kfw.yaml"),
    )


def test_later_layers_win_field_by_field_and_each_value_knows_its_origin(project: Project) -> None:
    project.user_file.write_text(f"defaults: {{hold: 5s, method: socat}}\n{API}")
    project.write("kfw.yaml", "defaults:\n  method: kubectl\nportForwards:\n  api:\n    namespace: shop\n")
    extra = project.write("extra.yaml", "portForwards:\n  api: {localPort: 9999}\n")
    settings = project.load(extra, flags={"context": "kind-dev"})
    api = settings.forwards["api"]
    assert (api.hold, api.method, api.namespace, api.local_port, api.context) == (
        5,
        "kubectl",
        "shop",
        9999,
        "kind-dev",
    )
    assert (str(api.target), api.target_port) == ("service/api", "http")
    at = {key.removeprefix("portForwards.api."): origin for key, origin in settings.origin.items()}
    assert at["target"] == f"user {project.user_file}:3"
    assert at["hold"] == f"user {project.user_file}:1"
    assert at["method"] == "project kfw.yaml:2"
    assert at["namespace"] == "project kfw.yaml:5"
    assert at["localPort"] == "config extra.yaml:2"
    assert at["context"] == "flag --context"
    assert at["address"].startswith("embedded defaults.yaml:")
    assert settings.files == (project.user_file, project.here / "kfw.yaml", extra)


def test_A14_a_user_config_that_overrides_only_localPort_keeps_the_target(project: Project) -> None:
    project.user_file.write_text(API)
    project.write("kfw.yaml", "portForwards: {api: {localPort: 1234}}\n")
    api = project.load().forwards["api"]
    assert (str(api.target), api.local_port, api.source) == (
        "service/api",
        1234,
        str(project.here / "kfw.yaml"),
    )


def test_A14_disabled_true_switches_an_entry_off_even_with_no_other_file(project: Project) -> None:
    project.write("kfw.yaml", API.replace("}", ", disabled: true}"))
    assert not project.load().forwards["api"].enabled


def test_enabled_in_a_later_layer_wins_over_disabled_in_an_earlier_one(project: Project) -> None:
    project.user_file.write_text(API.replace("}", ", disabled: true}"))
    project.write("kfw.yaml", "portForwards: {api: {enabled: yes}}\n")
    assert project.load().forwards["api"].enabled


def test_null_takes_back_what_a_lower_layer_said(project: Project) -> None:
    project.user_file.write_text("defaults: {context: prod, namespace: shop}\n")
    project.write("kfw.yaml", API.replace("}", ", context: null, namespace: ~}"))
    api = project.load().forwards["api"]
    assert (api.context, api.context_is_default, api.namespace) == ("", True, "")


def test_flags_win_over_what_a_forward_itself_says(project: Project) -> None:
    project.write("kfw.yaml", API.replace("}", ", context: prod, hold: 1s, method: socat, address: 0.0.0.0}"))
    flags = {
        "context": "kind-dev",
        "namespace": "x",
        "hold": "2",
        "method": "kubectl",
        "address": "::1",
        "kubeconfig": "k",
    }
    api = project.load(flags=flags).forwards["api"]
    assert (api.context, api.namespace, api.hold, api.method, api.addresses) == (
        "kind-dev",
        "x",
        2,
        "kubectl",
        ("::1",),
    )
    assert api.kubeconfig == (str(project.here / "k"),)


def test_the_project_file_is_found_upward_and_the_nearest_one_counts(project: Project) -> None:
    project.write("kfw.yaml", API)
    deep = project.here / "a/b"
    deep.mkdir(parents=True)
    assert project.load(cwd=deep).project_file == project.here / "kfw.yaml"
    project.write("a/kfw.toml", "[portForwards.web]\ntarget = 'service/web'\nlocalPort = 1\n")
    assert list(project.load(cwd=deep).forwards) == ["web"]


@pytest.mark.parametrize("name", ["kfw.yaml", "kfw.yml", "kfw.toml"])
def test_a_project_file_may_have_each_of_three_names(project: Project, name: str) -> None:
    project.write(
        name, "uiOptions = {theme = 'light'}\n" if name.endswith("toml") else "uiOptions: {theme: light}\n"
    )
    settings = project.load()
    assert settings.values["uiOptions"]["theme"] == "light"
    assert settings.project_file == project.here / name


@pytest.mark.parametrize("named", ["kfw.yaml", "./kfw.yaml", "a/../kfw.yaml"])
def test_a_project_file_that_is_named_too_is_still_the_projects(project: Project, named: str) -> None:
    project.write("kfw.yaml", API)
    project.write("a/more.yaml", API)
    assert project.load(named, "a/more.yaml").project_file == project.here / "kfw.yaml"


def test_a_second_file_beside_the_first_is_not_read_and_this_is_said(project: Project) -> None:
    project.write("kfw.yaml", API)
    project.write("kfw.toml", "")
    project.user_file.write_text("daemon: {logLevel: debug}\n")
    project.user_file.with_suffix(".toml").write_text("")
    assert project.load().warnings == (
        f"{project.user_file.with_suffix('.toml')}: not read, because config.yaml is there, keep one of them",
        "kfw.toml: not read, because kfw.yaml is there, keep one of them",
    )


def test_the_user_file_may_be_toml(project: Project) -> None:
    project.user_file.with_suffix(".toml").write_text("[daemon]\nlog_level = 'debug'\n")
    assert project.load().daemon.log_level == "debug"


def test_the_user_file_is_that_of_KFW_HOME(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFW_HOME", str(project.home))
    (project.home / "config").mkdir()
    (project.home / "config/config.yaml").write_text("daemon: {logLevel: debug}\n")
    assert load(project.here).daemon.log_level == "debug"


def test_a_file_named_twice_is_read_once_where_it_is_named_last(project: Project) -> None:
    own = project.write("kfw.yaml", API)
    other = project.write("other.yaml", "portForwards: {api: {localPort: 1}}\n")
    settings = project.load(other, own)
    assert settings.files == (other, own)
    assert settings.forwards["api"].local_port == 9080


def test_a_config_file_counts_from_the_working_directory(project: Project) -> None:
    project.write("sub/extra.yaml", API)
    assert list(project.load(Path("sub/extra.yaml")).forwards) == ["api"]


def test_a_config_file_that_is_not_there_is_a_mistake_and_a_missing_user_file_is_none(
    project: Project,
) -> None:
    with pytest.raises(ConfigError) as error:
        project.load(Path("nowhere.yaml"))
    assert error.value.problems == [
        "nowhere.yaml:1:1: cannot be read: no such file or directory, kfw init writes one"
    ]


def test_load_only_reads_these_files_and_no_other(project: Project) -> None:
    project.write("kfw.yaml", API)
    project.write("a.yaml", API.replace("api", "web"))
    project.write("b.yaml", "portForwards: {web: {localPort: 7}}\n")
    settings = load_only([Path("a.yaml"), Path("b.yaml")], project.here)
    assert {name: forward.local_port for name, forward in settings.forwards.items()} == {"web": 7}


@pytest.mark.parametrize(
    ("target_port", "local_port"),
    [(80, 8080), (443, 8443), (1023, 9023), (1024, 1024), (8443, 8443), (65535, 65535)],
)
def test_A36_the_local_port_follows_from_the_target_port(
    project: Project, target_port: int, local_port: int
) -> None:
    project.write("kfw.yaml", f"portForwards: {{api: {{target: service/api, targetPort: {target_port}}}}}\n")
    assert project.load().forwards["api"].local_port == local_port


def test_port_0_is_any_free_one_as_often_as_one_likes(project: Project) -> None:
    project.write(
        "kfw.yaml", "portForwards:\n  a: {target: pod/a, localPort: 0}\n  b: {target: pod/b, localPort: 0}\n"
    )
    assert [forward.local_port for forward in project.load().forwards.values()] == [0, 0]


@pytest.mark.parametrize(
    ("address", "addresses"),
    [
        ("127.0.0.1", ("127.0.0.1", "::1")),
        ("localhost", ("127.0.0.1", "::1")),
        ("[localhost]", ("127.0.0.1", "::1")),
        ("[localhost, 127.0.0.1, 10.0.0.1]", ("127.0.0.1", "::1", "10.0.0.1")),
        ("[127.0.0.1]", ("127.0.0.1",)),
        ("'::1'", ("::1",)),
        ("['::1']", ("::1",)),
        ("0.0.0.0", ("0.0.0.0",)),
    ],
)
def test_localhost_is_both_loopbacks_and_a_list_is_a_list(
    project: Project, address: str, addresses: tuple[str, ...]
) -> None:
    project.write("kfw.yaml", API.replace("}", f", address: {address}}}"))
    assert project.load().forwards["api"].addresses == addresses


def test_a_kubeconfig_counts_from_its_file_and_from_home(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(project.home))
    project.user_file.write_text("defaults: {kubeconfig: kube.yaml}\n")
    project.write("kfw.yaml", API + "  web: {target: pod/web, localPort: 1, kubeconfig: [~/a, ../b, /c]}\n")
    forwards = project.load().forwards
    assert forwards["api"].kubeconfig == (str(project.home / "kube.yaml"),)
    assert forwards["web"].kubeconfig == (str(project.home / "a"), str(project.here.parent / "b"), "/c")


def test_a_kubeconfig_that_is_not_there_is_a_warning_since_it_may_come(project: Project) -> None:
    project.write("here", "")
    text = (
        API.replace("}", ", kubeconfig: [here, gone]}")
        + "  idle: {target: pod/x, localPort: 1, kubeconfig: g, disabled: true}\n"
    )
    project.write("kfw.yaml", text)
    assert project.load().warnings == (
        f"kfw.yaml:2:77: the kubeconfig {project.here}/gone does not exist, create it",
    )


def test_a_profile_gives_its_forwards_what_they_do_not_say(project: Project) -> None:
    project.write(
        "kfw.yaml",
        """
profiles:
  dev:
    context: dev
    namespaces: [shop]
    method: kubectl
    retry: {maxDelay: 9s}
    portForwards:
      api: {target: service/api, localPort: 1, retry: {initialDelay: 2s}}
      web: {target: service/web, localPort: 2, namespace: front, context: other}
  idle:
    enabled: false
    portForwards:
      db: {target: service/db, localPort: 1, enabled: true}
""",
    )
    settings = project.load()
    api, web, db = (settings.forwards[name] for name in ("api", "web", "db"))
    assert (api.profile, api.context, api.namespace, api.method) == ("dev", "dev", "shop", "kubectl")
    assert (api.retry.initial_delay, api.retry.max_delay, api.retry.multiplier) == (2.0, 9.0, 2.0)
    assert (web.context, web.namespace) == ("other", "front")
    assert (db.profile, db.enabled) == ("idle", False), "and a port of a disabled forward is nobody's"
    assert settings.selections == {}


def test_FR_CFG_03_profiles_that_select_say_where_what_and_how(project: Project) -> None:
    project.write(
        "kfw.yaml",
        """
defaults: {namespace: front, hold: 7s}
profiles:
  by-label: {namespaces: [shop], labels: ["app in (a, b),!legacy", "tier=web"], context: dev}
  by-namespace: {namespaces: [shop, other], exclude_services: ["legacy-*"], method: nodeport, retry: {maxDelay: 9s}}
  by-label-alone: {labels: [a=b], kubeconfig: /k}
  switched-off: {enabled: false, namespaces: [shop]}
  by-name: {namespaces: [shop], portForwards: {api: {target: service/api, localPort: 1}}}
""",
    )
    found = project.load().selections
    assert list(found) == ["by-label", "by-namespace", "by-label-alone", "switched-off"]
    label, namespace, alone, _ = found.values()
    assert (label.namespaces, label.labels) == (("shop",), "app in (a, b),!legacy,tier=web")
    assert (label.template.context, label.template.method, label.template.hold) == ("dev", "tunnel", 7.0)
    assert (namespace.namespaces, namespace.exclude) == (("shop", "other"), ("legacy-*",))
    assert (namespace.template.method, namespace.template.retry.max_delay) == ("nodeport", 9.0)
    assert (alone.namespaces, alone.template.namespace, alone.template.kubeconfig) == ((), "front", ("/k",))
    assert [one.template.enabled for one in found.values()] == [True, True, True, False]
    flags = project.load(flags={"namespace": "mine", "method": "kubectl", "context": "other"}).selections[
        "by-label"
    ]
    assert (flags.namespaces, flags.template.method, flags.template.context) == (
        ("mine",),
        "kubectl",
        "other",
    )


def test_both_spellings_of_every_key_are_the_same_key(project: Project) -> None:
    camel = project.write(
        "camel.yaml", API + "    # nothing\ndefaults: {onPortInUse: next, retry: {maxDelay: 9s}}\n"
    )
    snake = camel.read_text().replace("onPortInUse", "on_port_in_use").replace("maxDelay", "max_delay")
    snake = (
        snake.replace("portForwards", "port_forwards")
        .replace("targetPort", "target_port")
        .replace("localPort", "local_port")
    )
    project.write("snake.yaml", snake)
    values = [load_only([Path(name)], project.here).values for name in ("camel.yaml", "snake.yaml")]
    assert values[0] == values[1]


def test_FR_CFG_01_the_same_content_as_yaml_and_as_toml_gives_the_same_settings(project: Project) -> None:
    project.write(
        "a.yaml",
        """
daemon: {logLevel: warn, metricsListen: "127.0.0.1:9464"}
defaults: {hold: 90, retry: {multiplier: 3}}
portForwards:
  api: {target: service/api, targetPort: 80, address: [localhost], type: rest, enabled: false}
profiles:
  p: {namespaces: [a, b], labels: [x=y]}
monitoringInterval: 1m30s
""",
    )
    project.write(
        "a.toml",
        """
monitoringInterval = 90
[daemon]
log_level = "warn"
metricsListen = "127.0.0.1:9464"
[defaults]
hold = "1m30s"
retry.multiplier = 3.0
[portForwards.api]
target = "service/api"
targetPort = 80
address = ["localhost"]
type = "rest"
enabled = false
[profiles]
p = {namespaces = ["a", "b"], labels = ["x=y"]}
""",
    )
    values = [load_only([Path(name)], project.here).values for name in ("a.yaml", "a.toml")]
    assert values[0] == values[1]


def test_the_daemons_paths_are_absolute(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(project.home))
    project.user_file.write_text("daemon: {log_file: ~/kfw.log, socket_path: run/s, pid_file: /run/p}\n")
    daemon = project.load().values["daemon"]
    said = [daemon[key] for key in ("logFile", "socketPath", "pidFile")]
    assert said == [f"{project.home}/kfw.log", f"{project.home}/run/s", "/run/p"]


def test_two_profiles_may_not_have_a_forward_of_the_same_name(project: Project) -> None:
    one = "{portForwards: {api: {target: service/api, localPort: %d}}}"
    [problem] = project.problems(f"profiles:\n  dev: {one % 1}\n  prod: {one % 2}\n")
    assert problem.endswith(
        "has the same name as profiles.dev.portForwards.api (kfw.yaml:2:24), choose another, for example prod-api"
    )


@pytest.mark.parametrize(
    ("one", "other", "fine"),
    [
        ("", "", False),
        ("onPortInUse: next", "", False),
        ("onPortInUse: next", "onPortInUse: next", True),
        ("enabled: false", "", True),
        ("address: 127.0.0.2", "address: 127.0.0.3", True),
        ("address: 127.0.0.2", "", True),
        ("address: ['::1']", "", False),
        ("address: '::'", "address: 127.0.0.2", False),
    ],
)
def test_A4_two_forwards_share_a_local_port_only_where_they_can(
    project: Project, one: str, other: str, fine: bool
) -> None:
    text = "portForwards:\n" + "".join(
        f"  {name}: {{target: pod/x, localPort: 9, {more}}}\n" for name, more in (("a", one), ("b", other))
    )
    if fine:
        project.write("kfw.yaml", text)
        assert len(project.load().forwards) == 2
    else:
        [problem] = project.problems(text)
        assert "portForwards.b has the localPort 9 of a (kfw.yaml:2:" in problem


def test_a_delay_that_is_too_long_for_all_is_said_once(project: Project) -> None:
    assert (
        len(
            project.problems(
                "defaults: {retry: {maxDelay: 500ms}}\n"
                + API
                + API.replace("api", "web")[14:].replace("9080", "1")
            )
        )
        == 1
    )


@pytest.mark.parametrize(
    ("said", "warned"),
    [
        ("holdRefused: 1m", True),
        ("{holdRefused: 31s, hold: 30s}", True),
        ("{holdRefused: 31s, hold: 31s}", False),
        ("{holdRefused: 2s, hold: 1s}", False),  # as it is where nobody has chosen it
        ("{hold: 0s}", False),
        ("{holdRefused: 0s}", False),
    ],
)
def test_a_hold_for_refused_connections_beyond_the_hold_is_a_warning_for_its_line(
    project: Project, said: str, warned: bool
) -> None:
    said = said if said.startswith("{") else f"{{{said}}}"
    project.write("kfw.yaml", f"defaults: {said}\n{API}    # nothing\n")
    warnings = [line for line in project.load().warnings if "holdRefused" in line]

    assert len(warnings) == warned
    assert all(
        line.startswith("kfw.yaml:1:") and "which ends it; make hold as long" in line for line in warnings
    )


KUBEFWD = """
profiles:
  dev:
    method: kubefwd
    namespace: shop
    portForwards:
      api: {target: service/api, targetPort: http}
      db: {target: service/db, targetPort: 80%s}
"""


def test_a_forward_by_kubefwd_needs_no_local_port_as_it_has_an_address_of_its_own(project: Project) -> None:
    project.write("kfw.yaml", KUBEFWD % "")
    settings = project.load()
    assert [forward.local_port for forward in settings.forwards.values()] == [0, 0]
    assert not [line for line in settings.warnings if "has no effect" in line]


@pytest.mark.parametrize("key", ["localPort: 9080", "address: 127.0.0.2", "onPortInUse: next"])
def test_what_has_no_effect_beside_kubefwd_is_said_with_its_line(project: Project, key: str) -> None:
    project.write("kfw.yaml", KUBEFWD % f", {key}")
    said = [line for line in project.load().warnings if "has no effect" in line]
    assert len(said) == 1
    assert said[0].startswith("kfw.yaml:8:") and f"{key.partition(':')[0]} has no effect: kubefwd" in said[0]


def test_the_same_local_port_twice_is_no_mistake_beside_kubefwd(project: Project) -> None:
    project.write("kfw.yaml", KUBEFWD.replace("http}", "http, localPort: 9080}") % ", localPort: 9080")
    assert len(project.load().forwards) == 2


@pytest.mark.parametrize("target", ["pod/api", "deployment/api", "api"])
def test_kubefwd_forwards_services_only_and_that_is_a_mistake_of_the_file(
    project: Project, target: str
) -> None:
    project.write("kfw.yaml", KUBEFWD.replace("service/api", target) % "")
    with pytest.raises(ConfigError, match=f"target is {target}, and kubefwd forwards services only"):
        project.load()
