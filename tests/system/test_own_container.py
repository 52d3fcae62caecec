"""On a host or in a container, and in which."""

from kfw.system.own_container import ids_in, in_container, own_names

ID = "ab" * 32
OTHER = "cd" * 32


def test_what_the_user_says_counts_more_than_marks() -> None:
    assert in_container({"KFW_IN_CONTAINER": "1"})
    assert not in_container({"KFW_IN_CONTAINER": "0"})


def test_B8_the_id_is_in_the_mounts_whatever_the_host_name_is() -> None:
    mounts = f"""
21 20 8:1 /var/lib/docker/containers/{ID}/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda1 rw
22 20 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw
23 20 8:1 /var/lib/docker/containers/{OTHER}/data /data rw - ext4 /dev/sda1 rw
"""
    assert ids_in(mounts, "") == [ID]


def test_the_id_is_in_old_cgroups_and_in_podmans_mounts() -> None:
    assert ids_in("", f"12:pids:/docker/{ID}\n") == [ID]
    podman = (
        f"9 8 0:1 /containers/overlay-containers/{ID}/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw"
    )
    assert ids_in(podman, "0::/\n") == [ID]


def test_a_name_that_was_given_is_asked_about_first() -> None:
    assert own_names({"KFW_CONTAINER": "me"})[0] == "me"
