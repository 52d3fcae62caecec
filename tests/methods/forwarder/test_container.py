"""The forwarder container's command line."""

from kfw.methods.forwarder.container import IMAGE, preface, run_argv


def line() -> list[str]:
    return run_argv("podman", "it", "image@sha256:1", "kind", ["n1", "n2"], {"io.kfw.owner": "me"})


def test_it_is_published_on_the_loopback_only_on_a_port_that_docker_chooses() -> None:
    assert line()[line().index("--publish") + 1] == "127.0.0.1::7000"
    assert line().count("--publish") == 1


def test_it_is_on_kinds_network_named_labelled_and_gone_when_it_ends() -> None:
    assert line()[:7] == ["podman", "run", "--rm", "--name", "it", "--network", "kind"]
    assert "io.kfw.owner=me" in line()


def test_it_has_no_rights_and_no_docker_socket() -> None:
    said = " ".join(line())
    assert "--cap-drop ALL --security-opt no-new-privileges --read-only --user 65534:65534" in said
    assert "docker.sock" not in said and "--privileged" not in said


def test_nodes_are_data_and_not_part_of_a_script() -> None:
    said = run_argv("docker", "it", "i", "kind", ["$(reboot)"], {})
    assert "KFW_NODES=$(reboot)" in said
    assert "$(reboot)" not in said[-1]


def test_the_image_is_pinned() -> None:
    name, _, digest = IMAGE.partition("@sha256:")
    assert name.count(":") == 1
    assert len(digest) == 64


def test_a_connection_names_its_node() -> None:
    assert preface("dev-worker", 30080) == b"dev-worker 30080\n"
