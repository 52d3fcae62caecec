"""scripts/image.sh with a stub for docker: what it builds for which platform, and what it says where it cannot."""

import pytest

from tests.scripts.conftest import ROOT, Machine, machine

__all__ = ["machine"]
IMAGE = "scripts/image.sh"
BOTH = "linux/amd64,linux/arm64"


@pytest.fixture
def docker(machine: Machine) -> Machine:
    """An engine that can build for other platforms."""
    machine.stub("docker")
    return machine


def built(machine: Machine) -> str:
    (line,) = [call for call in machine.calls() if "version" not in call]
    return line


def test_any_docker_builds_it_for_this_machine(docker: Machine) -> None:
    docker.stub("docker", "[ $1 != buildx ]")
    done = docker.run(IMAGE, IMAGE="mine:1", BASE="debian:own")
    assert (done.returncode, done.stdout) == (0, "mine:1\n")
    options = f"--file {ROOT}/quick-start/Dockerfile --tag mine:1 --build-arg BASE=debian:own"
    assert docker.calls() == [f"docker build {options} {ROOT}"]


def test_for_another_platform_it_goes_into_docker(docker: Machine) -> None:
    done = docker.run(IMAGE, "--platform", "linux/arm64", IMAGE="mine:1")
    assert done.stdout == "mine:1\n"
    assert "buildx build --platform linux/arm64 --output type=docker " in built(docker)


def test_for_several_platforms_it_is_an_archive_whose_path_is_printed(docker: Machine) -> None:
    done = docker.run(IMAGE, "--platform", BOTH, IMAGE="registry.example/mine:1")
    archive = f"{ROOT}/build/mine-1.tar"
    assert done.stdout == f"{archive}\n"
    assert f"--platform {BOTH} --output type=oci,dest={archive} " in built(docker)


def test_for_several_platforms_it_can_be_pushed(docker: Machine) -> None:
    done = docker.run(IMAGE, "--platform", BOTH, "--push", IMAGE="registry.example/mine:1")
    assert done.stdout == "registry.example/mine:1\n"
    assert f"--platform {BOTH} --output type=registry " in built(docker)


def test_without_buildx_it_says_so_and_builds_nothing(docker: Machine) -> None:
    docker.stub("docker", "[ $1 != buildx ]")
    done = docker.run(IMAGE, "--platform", BOTH)
    assert (done.returncode, done.stdout) == (8, "")
    assert "docker has no buildx" in done.stderr and "without --platform" in done.stderr
    assert docker.calls() == ["docker buildx version"]


@pytest.mark.parametrize(
    "arguments", [["--push"], ["--platform"], ["--local-base", "--platform", BOTH], ["--nope"], ["now"]]
)
def test_bad_usage_exits_2_with_one_line_and_builds_nothing(docker: Machine, arguments: list[str]) -> None:
    done = docker.run(IMAGE, *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert docker.calls() == []


def test_without_docker_the_line_that_installs_it(machine: Machine) -> None:
    machine.stub("brew")
    done = machine.run(IMAGE)
    assert done.returncode == 8
    assert done.stderr.endswith("install it with: brew install docker\n")


def test_a_build_that_fails_says_what_helps(docker: Machine) -> None:
    docker.stub("docker", "[ $1 = buildx ] && [ $2 = version ]")
    assert "scripts/image.sh --local-base" in docker.run(IMAGE).stderr
    assert "docker buildx create --use" in docker.run(IMAGE, "--platform", BOTH).stderr
