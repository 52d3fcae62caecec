"""The quick start's image on a real Docker Engine: commands, signals, users, sockets, networks."""

import time

import pytest

from tests.quick_start.engine import SOCKET, SOCKET_MOUNT, box, docker, once, socket_of_group

pytestmark = pytest.mark.real

ADDRESS = ("cat", "/run/kfw-config/kfw/config.yaml")


def test_B27_a_command_runs_as_it_is_given(image: str) -> None:
    done = once(image, "printf", "<%s>", "two words", "$HOME", "")
    assert done.stdout == "<two words><$HOME><>"


def test_B27_the_commands_exit_code_is_the_containers(image: str) -> None:
    assert once(image, "sh", "-c", "exit 41").returncode == 41


def test_B27_without_a_command_it_is_a_shell(image: str) -> None:
    done = once(image, stdin="echo $BASH; exit 3")
    assert (done.stdout.strip(), done.returncode) == ("/usr/bin/bash", 3)


@pytest.mark.parametrize(
    ("options", "command"),
    [((), ("sleep", "600")), ((), ("kfw", "serve")), (("-i", "-t"), ())],
    ids=["a command", "the daemon", "a shell at a terminal"],
)
def test_B27_TERM_ends_it_at_once(image: str, options: tuple[str, ...], command: tuple[str, ...]) -> None:
    with box(image, *options, command=command) as one:
        one.until_logs("no docker socket")
        time.sleep(0.2)  # the command, after the entrypoint's last word
        seconds, code = one.stop()
    assert seconds < 8
    assert code != 137


def test_B27_it_runs_as_an_ordinary_user_without_the_way_back(image: str) -> None:
    done = once(image, "sh", "-c", "id -u; grep -E 'NoNewPrivs|CapEff' /proc/self/status | tr -d '\\t '")
    assert done.stdout.split() == ["1000", "CapEff:0000000000000000", "NoNewPrivs:1"]


@pytest.mark.parametrize("gid", [0, 4242])
def test_B27_the_user_may_use_the_docker_socket_whatever_its_group(image: str, gid: int) -> None:
    with socket_of_group(gid) as mount:
        done = once(image, "sh", "-c", "id -u; id -G; docker version -f '{{.Server.Version}}'", options=mount)
    user, groups, version = done.stdout.splitlines()
    assert user == "1000"
    assert str(gid) in groups.split()
    assert version == docker("version", "-f", "{{.Server.Version}}").stdout.strip()


def test_B27_who_was_made_another_user_is_told_which_group_to_pass(image: str) -> None:
    group = str(SOCKET.stat().st_gid)
    done = once(image, "id", "-u", options=[*SOCKET_MOUNT, "--user", "4321:4321"])
    assert done.stdout == "4321\n"
    assert f"docker run --group-add {group}" in done.stderr
    asked = ("docker", "version", "-f", "{{.Server.Os}}")
    done = once(image, *asked, options=[*SOCKET_MOUNT, "--user", "4321:4321", "--group-add", group])
    assert done.stdout == "linux\n"


def test_B28_without_a_docker_socket_it_says_so_and_goes_on(image: str) -> None:
    done = once(image, "kfw", "version")
    assert "entrypoint: no docker socket at /var/run/docker.sock" in done.stderr
    assert done.returncode == 0 and done.stdout.startswith("kfw ")


def test_B21_in_a_network_of_its_own_kfw_listens_where_docker_can_publish_it(image: str) -> None:
    assert once(image, *ADDRESS).stdout == "defaults: {address: 0.0.0.0}\n"


def test_B21_in_the_hosts_network_kfw_listens_on_localhost_only(image: str) -> None:
    done = once(image, *ADDRESS, options=["--network", "host"])
    assert done.stdout == "defaults: {address: 127.0.0.1}\n"


def test_B21_the_address_can_be_given(image: str) -> None:
    done = once(image, *ADDRESS, options=["-e", "KFW_ADDRESS=127.0.0.7"])
    assert done.stdout == "defaults: {address: 127.0.0.7}\n"


def test_the_image_has_the_tools_and_is_small(image: str) -> None:
    done = once(image, "sh", "-c", "command -v kfw kubectl kind socat docker && ! command -v pip")
    assert done.returncode == 0, done.stderr
    layers = int(docker("image", "inspect", "-f", "{{.Size}}", image).stdout)
    base = int(docker("image", "inspect", "-f", "{{.Size}}", "kfw-base:bookworm").stdout)
    assert layers - base < 80_000_000


def test_help_of_the_entrypoint(image: str) -> None:
    done = once(image, "--help")
    assert done.returncode == 0
    assert "KFW_CONTAINER" in done.stdout
