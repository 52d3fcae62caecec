"""kind's command lines and answers."""

from kfw.engine import kind
from kfw.engine.reachability import Here

HERE = Here("linux", in_container=False, env={})


def test_the_command_lines_name_their_cluster() -> None:
    assert kind.get_clusters() == ["kind", "get", "clusters"]
    assert kind.get_nodes("dev") == ["kind", "get", "nodes", "--name", "dev"]
    assert kind.export_kubeconfig("dev", "/tmp/k") == (
        ["kind", "export", "kubeconfig", "--name", "dev", "--kubeconfig", "/tmp/k"]
    )
    assert kind.export_kubeconfig("dev", "/tmp/k", internal=True)[-1] == "--internal"


def test_names_are_whole_lines_so_that_a_longer_name_is_another_cluster() -> None:
    answer = kind.names("openchoreo-local-2\n\n")

    assert answer == ["openchoreo-local-2"]
    assert "openchoreo-local" not in answer
    assert kind.names("") == []


def test_a_context_tells_whether_kind_made_it() -> None:
    assert kind.context_of("dev") == "kind-dev"
    assert kind.cluster_of("kind-dev") == "dev"
    assert kind.cluster_of("gke_x") is None
    assert kind.cluster_of("kind-") is None


def test_a_lock_that_was_left_behind_is_named_with_the_line_that_removes_it() -> None:
    error = kind.export_failed("ERROR: failed to lock config file: open /k.lock: file exists\n", "/k", HERE)

    assert "failed to lock config file" in error.what
    assert error.fix == "if no other kind or kubectl config is running: rm /k.lock"


def test_other_failures_say_what_kind_said() -> None:
    error = kind.export_failed(
        'ERROR: could not locate any control plane nodes for cluster named "x"\n', "/k", HERE
    )

    assert 'could not locate any control plane nodes for cluster named "x"' in error.what
    assert error.fix == "kind get clusters"


def test_creating_and_deleting_touch_a_kubeconfig_of_ours_only() -> None:
    assert kind.create_cluster("dev", "/c.yaml", "/k") == (
        ["kind", "create", "cluster", "--name", "dev", "--config", "/c.yaml", "--kubeconfig", "/k"]
    )
    assert kind.delete_cluster("dev", "/k") == [
        "kind",
        "delete",
        "cluster",
        "--name",
        "dev",
        "--kubeconfig",
        "/k",
    ]
    assert "--kubeconfig" not in kind.export_to_users("dev")


def test_the_provider_is_the_one_that_kind_would_take() -> None:
    assert kind.provider({}, ["podman", "docker"]) == "docker"
    assert kind.provider({}, ["podman"]) == "podman"
    assert kind.provider({}, []) == "docker"
    assert kind.provider({"KIND_EXPERIMENTAL_PROVIDER": "nerdctl"}, ["docker"]) == "nerdctl"


def test_node_ports_are_published_on_the_loopback_by_the_first_node_once_each() -> None:
    config = {
        "nodes": [
            {"role": "control-plane", "extraPortMappings": [{"containerPort": 30300}]},
            {"role": "worker"},
        ]
    }
    first, worker = kind.with_published_ports(config, [30300, 30808, 30808])["nodes"]
    assert [mapping["containerPort"] for mapping in first["extraPortMappings"]] == [30300, 30808]
    assert first["extraPortMappings"][1] == (
        {"containerPort": 30808, "hostPort": 0, "listenAddress": "127.0.0.1", "protocol": "TCP"}
    )
    assert "extraPortMappings" not in worker
    assert len(config["nodes"][0]["extraPortMappings"]) == 1  # the given one stays as it is


def test_a_configuration_without_nodes_has_the_one_that_kind_makes() -> None:
    assert kind.with_published_ports({}, [30300])["nodes"][0]["role"] == "control-plane"
    assert kind.with_published_ports({}, [])["nodes"] == [{"role": "control-plane"}]


def test_a_cluster_without_network_keeps_its_other_settings() -> None:
    config = kind.without_network({"networking": {"apiServerPort": 7000}})
    assert config["networking"] == {"apiServerPort": 7000, "disableDefaultCNI": True}


def test_why_a_cluster_was_not_made_is_in_kinds_words_with_a_fix() -> None:
    said = "Creating cluster ...\nERROR: failed to create cluster: node(s) already exist for a cluster with the name dev\n"
    error = kind.create_failed(said, "dev", HERE)
    assert "node(s) already exist" in error.what
    assert "Creating" not in error.what
    assert error.fix.startswith("kind delete cluster --name dev")
    assert "it printed nothing" in kind.create_failed("", "dev", HERE).what
    assert (
        kind.create_failed("ERROR: something new", "dev", HERE).fix
        == "kind delete cluster --name dev, then again"
    )


def test_the_cause_behind_the_long_command_line_is_shown_and_the_command_line_is_not() -> None:
    """As kind 0.27 says it."""
    said = """Creating cluster "dev" ...
 • Preparing nodes 📦  ...
 ✗ Preparing nodes 📦
Deleted nodes: ["dev-control-plane"]
ERROR: failed to create cluster: command "docker run --name dev-control-plane --label io.x-k8s.kind.role=control-plane \
--privileged --tmpfs /run --volume /var --detach --tty --publish=0.0.0.0:80:30080/TCP -e KUBECONFIG=/etc/admin.conf \
kindest/node:v1.32.2@sha256:f226345927d7e348497136874b6d207e0b32cc52154ad8323129352923a3142f" failed with error: exit \
status 125
Command Output: 740ac34ef8a208f95a1ddcc626af3c7a28ae15fd6690478bfb0567e8305a4f3e
docker: Error response from daemon: driver failed programming external connectivity on endpoint dev-control-plane \
(7a2da): Bind for 0.0.0.0:80 failed: port is already allocated.
Stack Trace:
sigs.k8s.io/kind/pkg/errors.WithStack
""".replace("\\\n", "")
    error = kind.create_failed(said, "dev", HERE)
    assert error.what.splitlines() == [
        "cannot create the kind cluster dev: failed to create cluster: docker run failed with error: exit status 125",
        "Command Output: 740ac34ef8a208f95a1ddcc626af3c7a28ae15fd6690478bfb0567e8305a4f3e",
        "docker: Error response from daemon: driver failed programming external connectivity on endpoint"
        " dev-control-plane (7a2da): Bind for 0.0.0.0:80 failed: port is already allocated.",
    ]
    assert error.fix.startswith("free port 80 (lsof ")


def test_of_hundreds_of_lines_the_first_and_the_last_are_shown() -> None:
    said = "ERROR: failed to create cluster: failed to init node with kubeadm: exit status 1\n" + "".join(
        f"I0316 line {number}\n" for number in range(300)
    )
    lines = kind.create_failed(said, "dev", HERE).what.splitlines()
    assert len(lines) < 20
    assert "failed to init node with kubeadm" in lines[0]
    assert lines[-1] == "I0316 line 299"
    assert any("(285 lines)" in line for line in lines)
