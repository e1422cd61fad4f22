"""Jobs for Python's websockets, a JSON object a line on standard input; results
the same way on standard output."""
import asyncio
import json
import os
import sys

import websockets


async def work(ws, job):
    kind = job["kind"]
    if kind == "upload":
        await ws.send(os.urandom(job["size"]))
    elif kind == "flood":
        message = os.urandom(64 * 1024)
        while True:
            await ws.send(message)
            await asyncio.sleep(0)  # send need not wait, and nothing would be read
    else:
        await ws.send("go")
    if kind == "stall":
        await asyncio.sleep(job["stallMs"] / 1000)
    async for _ in ws:
        pass


async def run(job):
    result = {"id": job["id"], "code": 0, "reason": "", "clean": False, "error": ""}
    ws = None
    try:
        async with asyncio.timeout(job["timeoutMs"] / 1000):
            ws = await websockets.connect(job["url"], compression=None, max_size=None)
            try:
                await work(ws, job)
            except websockets.ConnectionClosed:
                pass
            await ws.wait_closed()
    except Exception as e:  # whatever it is belongs into the result
        result["error"] = repr(e)
    if ws is not None and ws.close_code is not None:
        got, sent = ws.close_rcvd, ws.close_sent
        result.update(code=ws.close_code, reason=ws.close_reason or "", clean=got is not None and sent is not None)
    print(json.dumps(result), flush=True)


async def main():
    loop = asyncio.get_running_loop()
    tasks = set()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        task = asyncio.create_task(run(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


asyncio.run(main())
