"""kind's command lines and answers."""

from kfw.cluster import kind


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
    error = kind.export_failed("ERROR: failed to lock config file: open /k.lock: file exists\n", "/k")

    assert "failed to lock config file" in error.what
    assert error.fix == "if no other kind or kubectl config runs: rm /k.lock"


def test_other_failures_say_what_kind_said() -> None:
    error = kind.export_failed(
        'ERROR: could not locate any control plane nodes for cluster named "x"\n', "/k"
    )

    assert 'could not locate any control plane nodes for cluster named "x"' in error.what
    assert error.fix == "kind get clusters"
