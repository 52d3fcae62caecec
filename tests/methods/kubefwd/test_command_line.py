"""kubefwd's command line by version, its addresses and names, and the line for sudoers."""

import shutil
import subprocess
from pathlib import Path

import pytest

from kfw.methods.kubefwd.command_line import (
    BASES,
    KubefwdVersion,
    ServiceSelection,
    address_for,
    argv,
    base_for,
    names_of,
    reservations,
    sudoers_line,
    version_of,
)
from kfw.methods.kubefwd.shared import covers, selection
from kfw.model import Target
from tests.fakes import forward

NEW = KubefwdVersion(1, 25, 15)
SHOP = ServiceSelection("dev", ("shop",))


@pytest.mark.parametrize(
    ("version", "more"),
    [
        ("1.22.5", []),
        ("1.23.0", []),
        ("1.23.2", ["--retry-interval", "5s"]),
        ("1.24.0", ["--retry-interval", "5s", "-a"]),
        ("1.25.0", ["--retry-interval", "5s", "-a"]),
        ("1.25.15", ["--retry-interval", "5s", "-a"]),
    ],
)
def test_NFR_COMPAT_03_each_version_gets_the_flags_that_it_knows(version: str, more: list[str]) -> None:
    known = version_of(version)
    assert known
    line = argv("/opt/kubefwd", known, SHOP, "/run/z.yaml")
    assert line == ["/opt/kubefwd", "svc", "-n", "shop", "-x", "dev", "-z", "/run/z.yaml", *more]


def test_FR_CFG_03_the_line_carries_every_namespace_one_selector_the_context_and_the_kubeconfig() -> None:
    wanted = ServiceSelection(
        "dev", ("shop", "pay"), labels=("a=b", "c in (d, e)"), kubeconfig=("/k/config",)
    )
    assert argv("kubefwd", NEW, wanted, "/z", "/own/hosts") == [
        *("kubefwd", "svc", "-n", "shop", "-n", "pay", "-x", "dev", "-c", "/k/config"),
        *("-l", "a=b,c in (d, e)", "-z", "/z", "--retry-interval", "5s", "-a", "--hosts-path", "/own/hosts"),
    ]


def test_B39_labels_are_one_flag_and_excluded_services_another() -> None:
    line = argv(
        "kubefwd",
        NEW,
        ServiceSelection("dev", ("shop",), labels=("a=b", "c=d"), excluded=("old", "older")),
        "/z",
    )
    assert line.count("-l") == 1 and line[line.index("-l") + 1] == "a=b,c=d"
    assert line.count("-f") == 1 and line[line.index("-f") + 1] == "metadata.name!=old,metadata.name!=older"


def test_a_service_that_is_alone_is_the_only_one_that_is_forwarded() -> None:
    alone = ServiceSelection("dev", ("shop",), frozenset({"api"}))
    assert "metadata.name=api" in argv("kubefwd", NEW, alone, "/z")
    two = ServiceSelection("dev", ("shop",), frozenset({"api", "db"}))
    assert "-f" not in argv("kubefwd", NEW, two, "/z")


@pytest.mark.parametrize("context", ["a,b", 'a"b', "a\nb"])
def test_a_context_that_reads_as_a_list_is_quoted_as_csv(context: str) -> None:
    line = argv("kubefwd", NEW, ServiceSelection(context, ("shop",)), "/z")
    quoted = context.replace('"', '""')
    assert line[line.index("-x") + 1] == f'"{quoted}"'


def test_several_kubeconfigs_are_not_on_the_line() -> None:
    assert "-c" not in argv("kubefwd", NEW, ServiceSelection("dev", ("shop",), kubeconfig=("/a", "/b")), "/z")


@pytest.mark.parametrize(
    ("said", "version"),
    [("1.25.15", "1.25.15"), ("Kubefwd version: v1.22.5\nhttps://x", "1.22.5"), ("devel", None), ("", None)],
)
def test_the_version_is_found_in_what_is_said(said: str, version: str | None) -> None:
    assert str(version_of(said)) == str(version)


# -- which kubefwd


def test_what_runs_covers_what_is_wanted_or_not() -> None:
    wide = ServiceSelection("dev", ("shop", "pay"), frozenset({"a", "b"}))
    assert covers(wide, ServiceSelection("dev", ("pay",), frozenset({"c"})))
    assert not covers(wide, ServiceSelection("dev", ("shop", "else"), frozenset({"a"})))
    assert not covers(wide, ServiceSelection("prod", ("shop",), frozenset({"a"})))
    alone = ServiceSelection("dev", ("shop",), frozenset({"a"}))
    assert covers(alone, alone)
    assert not covers(alone, ServiceSelection("dev", ("shop",), frozenset({"a", "b"})))


def test_namespaces_keep_their_order_when_another_comes() -> None:
    forwards = [forward(name, namespace=name, target=Target.parse("svc/x")) for name in ("b", "a")]
    assert selection(forwards, ("a",)).namespaces == ("a", "b")


# -- addresses


def test_B38_each_profile_has_a_range_of_addresses_of_its_own() -> None:
    taken: set[int] = set()
    for number in range(len(BASES)):
        taken.add(base_for(f"profile {number}", taken))
    assert taken == set(BASES)
    with pytest.raises(LookupError):
        base_for("one more", taken)


def test_a_profile_has_the_same_range_next_time() -> None:
    assert base_for("dev", ()) == base_for("dev", {base_for("dev", ()) + 1})


def test_reservations_name_each_service_with_its_namespace() -> None:
    assert reservations(12, [("api", "shop", "127.12.27.100")]) == (
        'baseUnreservedIP: 127.12.27.1\nserviceConfigurations:\n- name: "api.shop"\n  ip: 127.12.27.100\n'
    )
    assert reservations(12, []) == "baseUnreservedIP: 127.12.27.1\nserviceConfigurations: []\n"


def test_a_service_has_the_same_address_next_time_and_none_has_anothers() -> None:
    taken: list[str] = []
    for number in range(155):
        address = address_for(12, f"s{number}", "shop", taken)
        assert address.startswith("127.12.27.") and address not in taken
        taken.append(address)
    assert address_for(12, "s0", "shop", ()) == taken[0]
    assert address_for(12, "more", "shop", taken) == ""


def test_names_without_a_namespace_are_those_of_the_first() -> None:
    assert names_of("api", "shop", "dev", in_first=True)[0] == "api"
    assert "api" not in names_of("api", "shop", "dev", in_first=False)
    assert "api.shop.svc.cluster.dev" in names_of("api", "shop", "dev", in_first=False)


# -- sudoers


@pytest.mark.parametrize("user", ["ada", "ada lovelace", "CORP\\ada", "a.b-c_d", "#1000", "ada=x"])
def test_B32_the_line_for_sudoers_is_one_that_visudo_takes(user: str, tmp_path: Path) -> None:
    line = sudoers_line(user, "/usr/local/libexec/kfw-kubefwd")
    assert line.count("\n") == 0 and line.endswith("NOPASSWD: /usr/local/libexec/kfw-kubefwd")
    visudo = shutil.which("visudo", path="/usr/sbin:/sbin:/usr/bin:/usr/local/sbin")
    if visudo is None:
        pytest.skip("there is no visudo here")
    file = tmp_path / "sudoers"
    file.write_text(f"{line}\n")
    file.chmod(0o440)
    done = subprocess.run([visudo, "-cf", str(file)], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
