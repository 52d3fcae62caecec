"""Questions to docker from within the daemon."""

import pytest

from kfw.errors import TimedOut
from kfw.methods.forwarder.kind_nodes import ask
from kfw.system.process import Children

pytestmark = pytest.mark.asyncio


async def test_the_answer_has_both_streams_and_the_code(children: Children) -> None:
    answer = await ask(children, ["sh", "-c", "echo data; echo words >&2; exit 3"])
    assert (answer.out, answer.err, answer.code) == ("data", "words", 3)


async def test_one_that_hangs_is_ended_and_leaves_nothing(children: Children) -> None:
    with pytest.raises(TimedOut, match="sleep did not answer within"):
        await ask(children, ["sleep", "100"], seconds=0.1)
