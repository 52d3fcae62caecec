"""What was fragile in the scripts that this quick start succeeds, point by point, and the test that shows it cannot happen.

The checks B1 to B31 are those of docs/acceptance.md.
"""

import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
HERE = "quick_start/test_fragile_points.py"

POINTS: dict[int, tuple[str, tuple[str, ...]]] = {
    1: (
        "log lines in what a function returns",
        (
            "scripts/test_helpers.py::test_B23_a_node_port_is_all_that_is_on_stdout",
            "whole/test_bad_input.py::test_B23_stdout_is_data_alone_and_messages_are_on_stderr",
        ),
    ),
    2: (
        "the script's end ends the forwards",
        ("quick_start/test_bootstrap.py::test_B26_with_detach_the_forwards_outlive_the_script",),
    ),
    3: (
        "strangers' socat and kubectl are ended",
        (
            "quick_start/test_bootstrap.py::test_B17_B18_stop_ends_ours_and_nobody_elses_and_a_second_stop_is_harmless",
            "whole/test_children.py::test_B17_strangers_survive_start_restart_and_stop",
            "quick_start/test_uninstall.py::test_B17_B18_strangers_live_through_every_script_and_of_ours_nothing_is_left",
            f"{HERE}::test_no_script_ends_processes_by_name",
        ),
    ),
    4: (
        "success is said before the port is bound",
        (
            "whole/test_ports.py::test_B16_a_foreign_program_on_the_port_is_named_the_others_run_and_it_lives_on",
        ),
    ),
    5: (
        "a dead socat, a node port that changed",
        (
            "whole/test_children.py::test_A6_B15_a_killed_socat_is_back_on_its_port_and_its_neighbours_are_not_touched",
            "quick_start/test_container.py::test_B13_a_service_made_anew_with_another_node_port_is_found_again",
        ),
    ),
    6: (
        "socat's children live on",
        (
            "whole/test_children.py::test_B18_stop_under_an_open_connection_leaves_no_process_and_a_second_stop_is_harmless",
        ),
    ),
    7: (
        "a service without a node port, and yet success",
        (
            "quick_start/test_bootstrap.py"
            "::test_B10_where_it_must_be_a_node_port_the_type_and_the_fix_are_named_and_the_others_run",
            "scripts/test_helpers.py::test_B10_a_service_without_a_node_port_is_an_error_with_its_type",
        ),
    ),
    8: (
        "the first port of several",
        (
            "whole/test_targets.py::test_A28_B11_the_port_is_chosen_by_number_by_name_or_by_that_of_the_container",
            "scripts/test_helpers.py::test_B11_of_several_ports_none_is_guessed",
        ),
    ),
    9: (
        "a worker's name, where there is none",
        (
            "quickstart/test_kind_cluster.py::test_a_single_node_is_a_cluster_too",
            "whole/test_changes.py::test_B22_with_one_node_it_goes_by_that_one_and_a_node_that_leaves_is_left",
            "quick_start/test_bootstrap.py"
            "::test_B22_a_node_that_is_killed_leaves_the_ports_up_and_the_next_run_starts_it",
        ),
    ),
    10: (
        "the pid file is another's, the log is nobody's",
        (
            "whole/test_daemon.py"
            "::test_B19_a_stale_pid_file_with_the_pid_of_somebody_else_is_no_obstacle_and_nobody_is_signalled",
            "whole/test_children.py"
            "::test_B24_bind_and_connect_errors_are_in_the_log_with_the_time_under_the_forwards_name",
        ),
    ),
    11: (
        "waits that succeed when they ran out, or wait for jobs that are done",
        (
            "scripts/test_helpers.py::test_a_wait_that_ran_out_is_1_and_shows_pods_and_events",
            "scripts/test_helpers.py::test_pods_that_have_ended_are_not_waited_for",
            "quickstart/test_releasing.py::test_a_condition_that_does_not_come_true_is_a_failure",
            "quickstart/test_releasing.py::test_pods_of_jobs_that_are_done_are_not_waited_for",
        ),
    ),
    12: (
        "attached to the network before that is there",
        (
            "quick_start/test_docker_socket.py"
            "::test_B7_a_container_from_before_the_first_cluster_is_attached_by_the_scripts",
        ),
    ),
    13: (
        "addresses cut out of a kubeconfig, names matched in part",
        (
            "quick_start/test_docker_socket.py::test_B6_in_a_container_the_kubeconfig_has_the_nodes_name",
            "quick_start/test_bootstrap.py::test_B4_a_cluster_of_a_longer_name_is_another",
        ),
    ),
    14: (
        "the host name taken for the container's id",
        (
            "quick_start/test_docker_socket.py::test_B8_it_knows_itself_whatever_its_host_name",
            "quick_start/test_docker_socket.py::test_B8_B21_in_the_hosts_network_it_uses_what_is_published_there",
        ),
    ),
    15: (
        "the user's current context is changed",
        (
            "quick_start/test_bootstrap.py::test_B5_the_users_kubeconfig_stays_as_it_was",
            "quickstart/test_kind_cluster.py::test_B5_every_line_of_kubectl_names_kubeconfig_and_context",
        ),
    ),
    16: (
        "0.0.0.0 on a host",
        (
            "quick_start/test_bootstrap.py::test_B21_on_a_host_it_listens_on_localhost_only",
            "quick_start/test_image.py::test_B21_in_the_hosts_network_kfw_listens_on_localhost_only",
            "quick_start/test_image.py"
            "::test_B21_in_a_network_of_its_own_kfw_listens_where_docker_can_publish_it",
        ),
    ),
    17: (
        "fixed sleeps, versions that are not pinned",
        (f"{HERE}::test_no_script_sleeps", f"{HERE}::test_every_version_is_pinned"),
    ),
    18: (
        "Colima's flags where there are none",
        ("engine/test_colima.py::test_B29_start_has_only_the_flags_that_this_machine_knows",),
    ),
}


@pytest.mark.parametrize("point", POINTS)
def test_each_point_has_its_tests(point: int) -> None:
    for name in POINTS[point][1]:
        file, _, test = name.partition("::")
        assert test in names_in(TESTS / file), f"{name} shows point {point}, and is not there"


def test_all_18_points_are_in_the_table() -> None:
    assert list(POINTS) == list(range(1, 19))


def test_each_check_is_named_by_a_test() -> None:
    names = [name for file in TESTS.rglob("test_*.py") for name in names_in(file)]
    named = {int(number) for name in names for number in re.findall(r"_B(\d+)(?=_|$)", name)}
    assert set(range(1, 32)) - named == set()


@cache
def names_in(file: Path) -> tuple[str, ...]:
    text = file.read_text() if file.exists() else ""
    return tuple(re.findall(r"^(?:async )?def (test_\w+)\(", text, re.MULTILINE))


# --- points that are shown by reading the scripts

SCRIPTS = sorted((ROOT / "quick-start").glob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_no_script_ends_processes_by_name(script: Path) -> None:
    assert not re.search(r"\b(pkill|killall|kill|pgrep)\b", code_of(script))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_no_script_sleeps(script: Path) -> None:
    assert not re.search(r"\bsleep\b", code_of(script))


def code_of(script: Path) -> str:
    lines = script.read_text().splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def test_every_version_is_pinned() -> None:
    dockerfile = (ROOT / "quick-start/Dockerfile").read_text()
    assert re.search(r"^ARG BASE=\S+:\S*\d{8}\S*$", dockerfile, re.MULTILINE)
    for tool in ("KUBECTL", "KIND", "HELM"):
        assert re.search(rf"^ARG {tool}_VERSION=v\d+\.\d+\.\d+$", dockerfile, re.MULTILINE)
    kind_config = (ROOT / "quick-start/kind-config.yaml").read_text()
    images = re.findall(r"image: (\S+)", kind_config)
    assert images and all(re.search(r"@sha256:[0-9a-f]{64}$", image) for image in images)
    services = (ROOT / "quick-start/services.yaml").read_text()
    assert all(re.search(r":\d+$", image) for image in re.findall(r"image: (\S+)", services))
