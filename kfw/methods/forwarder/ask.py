"""Short questions to docker from within the daemon: children that are waited for and leave nothing behind."""

import asyncio
from collections.abc import Mapping, Sequence

from kfw.errors import TimedOut
from kfw.system.process import Children
from kfw.system.shell import Answer

SECONDS = 10.0


async def ask(
    children: Children, argv: Sequence[str], env: Mapping[str, str] | None = None, *, seconds: float = SECONDS
) -> Answer:
    """`env`: whose docker it is; None is this process's. Raises ToolMissing; TimedOut after having ended it."""
    said: dict[str, list[str]] = {"stdout": [], "stderr": []}
    child = await children.start(
        argv, label="kfw", base=env, on_line=lambda stream, line: said[stream].append(line)
    )
    try:
        async with asyncio.timeout(seconds):
            code = await child.wait()
    except TimeoutError:
        raise TimedOut(f"{argv[0]} did not answer within {seconds:g} s", " ".join(argv[:3])) from None
    finally:
        await child.stop(1.0)
    return Answer(tuple(argv), code, "\n".join(said["stdout"]), "\n".join(said["stderr"]))
