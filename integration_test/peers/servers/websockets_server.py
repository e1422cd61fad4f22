"""Python's websockets as a server that echoes. It writes its port, and ends when its input does."""
import asyncio
import logging
import sys

import websockets

logging.getLogger("websockets").setLevel(logging.CRITICAL)


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, max_size=64 << 10, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
