"""colima's command lines and answers."""

import json

from kfw.engine import colima
from kfw.engine.colima import Mac

GIB = 1024**3
M1 = Mac(darwin=True, arm=True, version=14)
INTEL = Mac(darwin=True, arm=False, version=13)
OLD = Mac(darwin=True, arm=True, version=12)
LINUX = Mac(darwin=False, arm=False)


def test_B29_start_has_only_the_flags_that_this_machine_knows() -> None:
    plain = ["colima", "start", "--cpu", "4", "--memory", "8"]
    assert colima.start("default", M1) == [*plain, "--vm-type", "vz", "--vz-rosetta"]
    assert colima.start("default", INTEL) == [*plain, "--vm-type", "vz"]
    assert colima.start("default", OLD) == plain
    assert colima.start("default", LINUX) == plain


def test_a_profile_is_named_and_the_default_one_is_not() -> None:
    assert colima.status("dev") == ["colima", "status", "--profile", "dev", "--json"]
    assert colima.stop("", force=True) == ["colima", "stop", "--force"]
    assert colima.context_of("default") == "colima"
    assert colima.context_of("dev") == "colima-dev"


def test_status_tells_size_runtime_and_socket() -> None:
    told = {
        "runtime": "docker",
        "arch": "aarch64",
        "cpu": 2,
        "memory": 2 * GIB,
        "docker_socket": "unix:///h/.colima/default/docker.sock",
    }
    machine = colima.machine(json.dumps(told), "default")
    assert (machine.cpus, machine.gib, machine.runtime) == (2, 2.0, "docker")
    assert machine.socket == "/h/.colima/default/docker.sock"


def test_an_old_colima_says_only_that_it_runs() -> None:
    machine = colima.machine("colima is running using macOS Virtualization.Framework", "default")
    assert machine.running
    assert machine.cpus == 0


def test_the_list_has_a_line_for_each_profile() -> None:
    lines = [
        {"name": "default", "status": "Stopped"},
        {"name": "dev", "status": "Broken", "runtime": "docker", "cpus": 4},
    ]
    out = "\n".join(map(json.dumps, lines))
    assert (found := colima.listed(out, "dev")) and found.broken and found.cpus == 4
    assert (found := colima.listed(out, "")) and not found.running
    assert colima.listed(out, "other") is None


def test_the_socket_is_looked_for_where_each_version_puts_it() -> None:
    assert colima.sockets({"COLIMA_HOME": "/c"}, "/h", "dev") == ["/c/dev/docker.sock"]
    assert colima.sockets({}, "/h", "default") == [
        "/h/.colima/default/docker.sock",
        "/h/.config/colima/default/docker.sock",
        "/h/.colima/docker.sock",
        "/h/.config/colima/docker.sock",
    ]
