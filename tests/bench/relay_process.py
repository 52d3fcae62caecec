"""usage: python -m tests.bench.relay_process PORT HOST TO

The nodeport method's listener and dialer, bare, in a process of their own: what the daemon does for one forward.
"""

import asyncio
import logging
import sys

from kfw.methods.base import OpenRequest
from kfw.methods.nodeport import NodePort
from kfw.model import Endpoint, Forward, Health, Target
from kfw.relay.listener import Listener
from kfw.system.local_ports import bind


async def serve(port: int, host: str, to: int) -> None:
    forward = Forward("bench", Target.parse("service/bench"), to, port, health=Health(type="none"))
    tunnel = await NodePort().open(OpenRequest(forward, (Endpoint("node", "bench", host, to),)))
    sockets, _ = bind(["127.0.0.1"], port)
    listener = Listener("bench", sockets, hold=30, on_knock=lambda: None, log=logging.getLogger("bench"))
    listener.use(tunnel)
    listener.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
