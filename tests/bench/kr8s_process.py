"""usage: python -m tests.bench.kr8s_process KUBECONFIG NAMESPACE POD PORT...

kr8s' port forward as a process, with kubectl's words.
"""

import asyncio
import sys
from contextlib import AsyncExitStack

import kr8s.asyncio
from kr8s.asyncio.objects import Pod
from kr8s.asyncio.portforward import PortForward


async def main(kubeconfig: str, namespace: str, pod: str, *ports: str) -> None:
    api = await kr8s.asyncio.api(kubeconfig=kubeconfig)
    target = await Pod.get(pod, namespace=namespace, api=api)
    async with AsyncExitStack() as stack:
        for port in ports:
            near = await stack.enter_async_context(PortForward(target, int(port), local_port="auto"))
            print(f"Forwarding from 127.0.0.1:{near} -> {port}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
