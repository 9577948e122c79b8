"""A scripted server as a program: prints its port, and kills itself at its n-th message."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from scripted_server import ScriptedServer


async def main(dies_at: int) -> None:
    async def die(seen):
        if len(server.seen) == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    server = ScriptedServer(die)
    await server.start()
    print(server.port, flush=True)
    await server.server.wait_for_termination()


asyncio.run(main(int(sys.argv[1])))
