import asyncio

import pytest

from kfw.sandbox.node.pod import LINES, PodLog

pytestmark = pytest.mark.asyncio


async def read(log: PodLog, **query: str) -> str:
    return b"".join([part async for part in log.read(query, now=100.0)]).decode()


def filled() -> PodLog:
    log = PodLog()
    for second, line in ((10, "one"), (50, "two"), (95, "three")):
        log.say(second, line)
    return log


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({}, "one\ntwo\nthree\n"),
        ({"tailLines": "1"}, "three\n"),
        ({"tailLines": "0"}, ""),
        ({"sinceSeconds": "60"}, "two\nthree\n"),
        ({"sinceTime": "1970-01-01T00:01:30Z"}, "three\n"),
        ({"limitBytes": "5"}, "one\nt"),
        ({"timestamps": "true", "tailLines": "1"}, "1970-01-01T00:01:35.000000Z three\n"),
    ],
)
async def test_the_options_of_kubectl_logs(query: dict[str, str], text: str) -> None:
    assert await read(filled(), **query) == text


async def test_a_follower_hears_every_line_until_the_pod_ends() -> None:
    log = filled()
    following = asyncio.create_task(read(log, follow="true", tailLines="1"))
    await asyncio.sleep(0)
    log.say(96, "four")
    await asyncio.sleep(0)
    log.say(97, "five")
    log.say(98, "six")
    log.end()
    assert await following == "three\nfour\nfive\nsix\n"


async def test_old_lines_are_forgotten() -> None:
    log = PodLog()
    for number in range(LINES + 5):
        log.say(number, str(number))
    assert (await read(log)).split()[0] == "5"
