"""Kubeconfigs: kubectl's rules for several files, credentials, and words for what is broken."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kfw.errors import UsageError
from kfw.kubeconfig.load import default_files, load


def entry(name: str, server: str = "", **user: Any) -> dict[str, Any]:
    """A file with a cluster, a user and a context of the same name."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server or f"https://{name}.example.com"}}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }


def write(path: Path, content: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_the_first_file_that_has_a_name_has_it_whole(tmp_path: Path) -> None:
    first, second = (
        entry("a", "https://first", token="1"),
        entry("a", "https://second", username="u", password="p"),
    )
    second["contexts"] += entry("b")["contexts"]
    second["clusters"] += entry("b")["clusters"]
    second["users"] += entry("b")["users"]
    merged = load([write(tmp_path / "1", first), write(tmp_path / "2", second)])

    access = merged.access("a")
    assert (access.cluster.server, access.user.token, access.user.username) == ("https://first", "1", "")
    assert merged.access("b").cluster.server == "https://b.example.com"


def test_the_first_file_that_sets_a_current_context_sets_it(tmp_path: Path) -> None:
    files = [entry("a"), {**entry("b"), "current-context": "b"}, {**entry("c"), "current-context": "c"}]
    merged = load([write(tmp_path / str(number), file) for number, file in enumerate(files)])

    assert merged.current_context == "b"


def test_missing_and_empty_files_are_skipped(tmp_path: Path) -> None:
    merged = load([str(tmp_path / "none"), write(tmp_path / "empty", ""), write(tmp_path / "a", entry("a"))])

    assert list(merged.contexts) == ["a"]


def test_a_list_of_files_is_split_as_PATH_is_and_each_counts_once(tmp_path: Path) -> None:
    listed = os.pathsep.join(["/etc/a", "", "/etc/b", "/etc/a"])

    assert default_files(listed) == ("/etc/a", "/etc/b")


@pytest.mark.parametrize("listed", [None, "", os.pathsep])
def test_without_a_list_it_is_the_file_in_the_home(listed: str | None, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOME", "/home/ada")

    assert default_files(listed) == ("/home/ada/.kube/config",)


def test_paths_are_relative_to_their_file_and_inline_data_wins(tmp_path: Path) -> None:
    file = entry("a")
    file["clusters"][0]["cluster"]["certificate-authority"] = "pki/ca.crt"
    file["users"][0]["user"] = {
        "client-certificate": "../user.crt",
        "client-key": "/abs/user.key",
        "client-key-data": base64.b64encode(b"KEY").decode(),
        "tokenFile": "token",
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./bin/login"},
    }
    write(tmp_path / "conf" / "pki" / "ca.crt", "CA")
    known = load([write(tmp_path / "conf" / "config", file)])
    user = known.users["a"]

    assert known.clusters["a"].ca.file == str(tmp_path / "conf" / "pki" / "ca.crt")
    assert user.certificate.file == str(tmp_path / "user.crt")
    assert user.key.data == b"KEY"
    assert user.token_file == str(tmp_path / "conf" / "token")
    assert user.exec and user.exec.command == str(tmp_path / "conf" / "bin/login")


def test_a_plugin_without_a_slash_is_looked_up_in_PATH(tmp_path: Path) -> None:
    file = entry(
        "a", exec={"apiVersion": "client.authentication.k8s.io/v1", "command": "aws", "args": ["eks"]}
    )
    user = load([write(tmp_path / "a", file)]).access("a").user

    assert user.exec and (user.exec.command, user.exec.args) == ("aws", ("eks",))
    assert user.exec.interactive_mode == "IfAvailable"


def test_every_field_of_a_cluster_and_a_user_is_read(tmp_path: Path) -> None:
    text = """
apiVersion: v1
clusters:
- name: far
  cluster:
    server: https://gate.example.com/k8s/clusters/c-1/
    insecure-skip-tls-verify: true
    tls-server-name: kubernetes
    proxy-url: socks5://localhost:1080
    extensions:
    - name: client.authentication.k8s.io/exec
      extension: {audience: far}
users:
- name: on
  user:
    token: 2026-11-21
    as: ada
    as-uid: "7"
    as-groups: [dev, ops]
    as-user-extra: {reason: [test]}
contexts:
- name: "yes"
  context: {cluster: far, user: on, namespace: ~}
current-context: yes
preferences: {}
"""
    merged = load([write(tmp_path / "a", text)])
    access = merged.access(merged.current_context)

    assert str(access.cluster.url) == "https://gate.example.com/k8s/clusters/c-1"
    assert (access.cluster.insecure, access.cluster.tls_server_name) == (True, "kubernetes")
    assert access.cluster.proxy_url == "socks5://localhost:1080"
    assert json.loads(access.cluster.exec_config) == {"audience": "far"}
    assert access.user.token == "2026-11-21"
    assert access.user.impersonate == (
        ("Impersonate-User", "ada"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "dev"),
        ("Impersonate-Group", "ops"),
        ("Impersonate-Extra-reason", "test"),
    )
    assert access.namespace == "default"


@pytest.mark.parametrize(
    ("server", "more", "url"),
    [
        ("localhost:8080", {}, "http://localhost:8080"),
        ("host:6443/", {"insecure-skip-tls-verify": True}, "http://host:6443"),
        ("https://host", {}, "https://host"),
    ],
)
def test_a_server_without_a_scheme_is_read_as_kubectl_does(
    tmp_path: Path, server: str, more: dict[str, Any], url: str
) -> None:
    file = entry("a", server)
    file["clusters"][0]["cluster"].update(more)

    assert str(load([write(tmp_path / "a", file)]).access("a").cluster.url) == url


def test_secrets_are_not_in_what_is_printed(tmp_path: Path) -> None:
    data = base64.b64encode(b"sekret").decode()
    variables = [{"name": "K", "value": "sekret"}]
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "x", "env": variables}
    file = entry("a", token="sekret", password="sekret", exec=plugin, **{"client-key-data": data})

    assert "sekret" not in repr(load([write(tmp_path / "a", file)]))


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("clusters: [\n", 2, "node content"),
        ("a: b\n c: d\n", 2, "mapping values are not allowed"),
        ("just words\n", 1, "it is not a mapping"),
        ("- a\n", 1, "it is not a mapping"),
        ("clusters: 5\n", 1, "clusters must be a list, and is a single value"),
        ("apiVersion: v1\nusers: {a: b}\n", 2, "users must be a list, and is a mapping"),
        ("apiVersion: v1\nkind: Pod\n", 2, "its kind must be Config"),
        ("x: *gone\n", 1, "an alias names an anchor that does not come before it"),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_named_with_the_line(
    tmp_path: Path, text: str, line: int, what: str
) -> None:
    file = write(tmp_path / "config", text)

    with pytest.raises(UsageError) as caught:
        load([file]).access("a")

    assert caught.value.what.startswith(f"cannot read the kubeconfig {file}:{line}: ")
    assert what in caught.value.what
    assert caught.value.reason == "bad-config"


GOOD = """
apiVersion: v1
kind: Config
current-context: good
clusters:
- name: good
  cluster: {server: "https://good"}
- {name: bad, cluster: @cluster@}
users:
- name: good
  user: {token: fine}
- {name: bad, user: @user@}
contexts:
- {name: good, context: {cluster: good, user: good}}
- {name: bad, context: @context@}
"""
BAD = {
    "cluster": '{server: "https://bad"}',
    "user": "{token: SECRET}",
    "context": "{cluster: bad, user: bad}",
}
FAULTY = [
    ("cluster", "{server: [SECRET]}", "server must be a string, and is a list"),
    ("cluster", "SECRET", "cluster must be a mapping, and is a single value"),
    ("cluster", '{server: "ftp://SECRET"}', 'server has the scheme "ftp": it must be https or http'),
    ("cluster", '{server: "https://SECRET:99999"}', "server has a port that is not a number from 1 to 65535"),
    ("cluster", '{server: "https://SECRET:-1"}', "server has a port"),
    ("cluster", '{server: "https://"}', "server names no host"),
    ("cluster", '{server: "https://[SECRET]"}', "server is not a URL"),
    ("cluster", '{server: "https://SECRET SECRET"}', "not a host name"),
    ("cluster", '{server: "https://' + "x" * 64 + '"}', "not a host name"),
    ("cluster", '{server: "https://SECRET..x"}', "not a host name"),
    ("cluster", '{server: "https://x/%SECRET"}', "server has a % in its path that escapes nothing"),
    ("cluster", '{server: "https://x\\u0007"}', "server holds a control character"),
    ("cluster", '{server: "https://x", certificate-authority-data: "*SECRET"}', "is not base64"),
    (
        "cluster",
        '{server: "https://x", insecure-skip-tls-verify: "yes"}',
        "must be true or false, without quotes",
    ),
    ("cluster", '{server: "https://x", insecure-skip-tls-verify: 1}', "must be true or false"),
    (
        "cluster",
        '{server: "https://x", insecure-skip-tls-verify: yes, certificate-authority: x}',
        "cannot be used together",
    ),
    ("cluster", '{server: "https://x", proxy-url: "ftp://joe:SECRET@x"}', "kfw knows http, https and socks5"),
    (
        "cluster",
        '{server: "https://x", proxy-url: "http://joe:SECRET@x:99999"}',
        "a port that is not a number from 1 to 65535",
    ),
    ("cluster", '{server: "https://x", tls-server-name: .}', "tls-server-name has a host that is not"),
    (
        "cluster",
        '{server: "https://x", tls-server-name: a b SECRET}',
        "tls-server-name has a host that is not",
    ),
    (
        "cluster",
        '{server: "https://x", tls-server-name: "a\\0SECRET"}',
        "tls-server-name has a host that is not",
    ),
    ("cluster", '{server: "https://x", proxy-url: "http://a..SECRET"}', "proxy-url has a host that is not"),
    ("cluster", '{server: "https://x", proxy-url: "http://"}', "proxy-url names no host"),
    ("cluster", '{server: "https://x", extensions: SECRET}', "extensions must be a list"),
    ("user", "{token: {SECRET: x}}", "token must be a string, and is a mapping"),
    ("user", '{token: "SECRET\\n"}', "token holds a line break"),
    ("user", "{token: SECRET, username: x}", "only one way to log in is allowed"),
    ("user", "{client-key-data: '*SECRET'}", "client-key-data is not base64"),
    ("user", "{client-certificate: x}", "a client-certificate needs client-key-data or client-key"),
    ("user", "{as-groups: [SECRET]}", "need as: whom to act as"),
    ("user", '{as: "a\\nSECRET"}', "as holds a line break"),
    ("user", '{as: a, as-user-extra: {k: ["a\\rSECRET"]}}', "as-user-extra holds a line break"),
    ("user", "{as: a, as-user-extra: {k: SECRET}}", "k must be a list"),
    ("user", "{exec: {apiVersion: x}}", "exec must have its command"),
    ("user", "{exec: {command: x, apiVersion: SECRET/v1alpha1}}", "apiVersion of exec must be client.auth"),
    ("user", "{exec: {command: SECRET}}", "exec must have its apiVersion"),
    (
        "user",
        "{exec: {command: x, apiVersion: client.authentication.k8s.io/v1, interactiveMode: SECRET}}",
        "interactiveMode must be one of",
    ),
    (
        "user",
        "{exec: {command: x, apiVersion: client.authentication.k8s.io/v1, env: [{value: SECRET}]}}",
        "a variable in env of exec has no name",
    ),
    (
        "user",
        "{exec: {command: x, apiVersion: client.authentication.k8s.io/v1}, auth-provider: {name: x}}",
        "only one of them is allowed",
    ),
    ("user", '{tokenFile: "a\\0SECRET"}', "must not hold a NUL"),
    ("context", "[SECRET]", "context must be a mapping, and is a list"),
    ("context", "{cluster: {SECRET: x}}", "cluster must be a string, and is a mapping"),
    (
        "context",
        "{cluster: bad, user: bad}}\n- {name: bad, context: {}",
        'the name "bad" is in contexts twice',
    ),
]


@pytest.mark.parametrize(("kind", "written", "what"), FAULTY, ids=lambda value: value[:40])
def test_a_faulty_entry_concerns_only_the_contexts_that_use_it(
    tmp_path: Path, kind: str, written: str, what: str
) -> None:
    text = GOOD
    for each, good in BAD.items():
        text = text.replace(f"@{each}@", written if each == kind else good)
    file = write(tmp_path / "config", text)
    known = load([file])

    assert known.access(known.current()).user.token == "fine"
    with pytest.raises(UsageError) as caught:
        known.access("bad")
    assert what in caught.value.what
    assert caught.value.reason == "bad-config"
    line = next(
        number for number, row in enumerate(text.splitlines(), 1) if written.partition("\n")[0] in row
    )
    twice = "twice" in what
    assert caught.value.what.startswith(f"cannot read the kubeconfig {file}:{line + twice}: ")
    assert "SECRET" not in caught.value.what + caught.value.fix


@pytest.mark.parametrize("first", ["good", "broken"])
def test_what_files_before_a_broken_one_have_is_certain_and_what_may_be_in_it_is_not(
    tmp_path: Path, first: str
) -> None:
    good, broken = write(tmp_path / "good", entry("a")), write(tmp_path / "broken", "x: [\n")
    known = load([good, broken] if first == "good" else [broken, good])

    if first == "good":
        assert known.access("a").cluster.server == "https://a.example.com"
    else:
        with pytest.raises(UsageError, match=f"{broken}:2: "):
            known.access("a")
    for asked in ("b", "c"):
        with pytest.raises(UsageError, match=f"{broken}:2: "):
            known.access(asked)


def test_a_faulty_entry_of_an_earlier_file_is_not_replaced_by_a_good_one_of_a_later_file(
    tmp_path: Path,
) -> None:
    first = write(tmp_path / "1", {"users": [{"name": "a", "user": {"token": ["x"]}}]})
    second = write(tmp_path / "2", entry("a", token="other"))

    with pytest.raises(UsageError, match=f"{first}:1: token must be a string"):
        load([first, second]).access("a")


def test_a_later_faulty_entry_does_not_harm_an_earlier_good_one(tmp_path: Path) -> None:
    first = write(tmp_path / "1", entry("a", token="mine"))
    second = write(
        tmp_path / "2", {"users": [{"name": "a", "user": {"token": ["x"]}}], "current-context": ["x"]}
    )

    assert load([first, second]).access("a").user.token == "mine"
    with pytest.raises(UsageError, match=f"{second}:1: current-context must be a string"):
        load([first, second]).current()


def test_a_file_that_is_not_utf8_or_not_readable_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"current-context: caf\xe9\n")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(5 << 30)
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")

    for name in ("latin", "folder", "fifo", "sparse", "device", "loop"):
        with pytest.raises(UsageError, match=name) as caught:
            load([str(tmp_path / name)]).access("a")
        assert caught.value.reason == "bad-config"


def test_a_context_that_does_not_exist_lists_those_that_do(tmp_path: Path) -> None:
    file = write(tmp_path / "a", entry("dev"))

    with pytest.raises(UsageError) as caught:
        load([file]).access("prod")

    assert caught.value.what == f'context "prod" does not exist in {file}'
    assert caught.value.fix == "use one of: dev"
    assert caught.value.reason == "context-not-found"


@pytest.mark.parametrize("kind", ["cluster", "user"])
def test_a_context_whose_cluster_or_user_does_not_exist_says_which(tmp_path: Path, kind: str) -> None:
    file = entry("dev")
    file[f"{kind}s"] = []

    with pytest.raises(UsageError, match=f'context "dev" names the {kind} "dev", which does not exist'):
        load([write(tmp_path / "a", file)]).access("dev")


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
def test_kubectl_merges_the_same_way(tmp_path: Path) -> None:
    first = {**entry("a", "https://first"), "clusters": entry("a", "https://first")["clusters"]}
    second = {**entry("a", "https://second"), "current-context": "b"}
    third = {**entry("b"), "current-context": "a"}
    files = [write(tmp_path / name, file) for name, file in (("1", first), ("2", second), ("3", third))]
    files.insert(1, str(tmp_path / "missing"))

    said = json.loads(
        subprocess.run(
            ["kubectl", "config", "view", "--raw", "-o", "json"],
            env={**os.environ, "KUBECONFIG": os.pathsep.join(files)},
            capture_output=True,
            check=True,
        ).stdout
    )
    ours = load(files)

    assert said["current-context"] == ours.current_context
    assert {c["name"]: c["cluster"]["server"] for c in said["clusters"]} == {
        name: cluster.server for name, cluster in ours.clusters.items()
    }
    assert {c["name"] for c in said["contexts"]} == set(ours.contexts)
