"""The terminal app and the page show what the daemon says, second by second, while pods go, an API is silent and a login
runs out. `python -m tests.real.scene` is the same for longer, with pictures for the docs."""

from pathlib import Path

from tests.real import rig as rigs
from tests.real.rig import Rig
from tests.real.scene import play
from tests.real.scene_clusters import Silenceable
from tests.web.test_both_screens import BUSY, judge


def test_both_screens_say_what_the_daemon_says_while_things_break_on_the_rig(
    own_cluster: Rig, tmp_path: Path
) -> None:
    def silence(on: bool) -> None:
        own_cluster.fault("api-blackhole", "on" if on else "off")

    try:
        first = Silenceable(own_cluster.kubeconfig, silence)
        judge(play(first, short=True, pictures=tmp_path, tolerance=BUSY), tmp_path)
    finally:
        rigs.cluster("fault", own_cluster.name, "mend")
