"""quick-start/bootstrap.sh and uninstall.sh whole, on the sandbox."""

import pytest

from tests.scripts.quick_start import five_services_come_up_and_stay_and_stop, quick_start


@pytest.mark.sandbox
def test_B3_B9_five_services_answer_a_second_run_changes_nothing_and_stop_leaves_nothing() -> None:
    with quick_start(PATH="/usr/bin:/bin", DOCKER_HOST="unix:///nowhere") as started:
        first = five_services_come_up_and_stay_and_stop(started, ["uninstall.sh", "--yes"])
    assert "bootstrap: cluster: the embedded sandbox, because " in first.stderr
