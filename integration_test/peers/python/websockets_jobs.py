"""Python's websockets as a client. It has no wasClean; a close other than 1000
and 1001 is told as ConnectionClosedError."""
import asyncio
import os

import jobs
import websockets


async def run(job, result):
    ws = await websockets.connect(
        job["url"], ssl=jobs.TLS if job["url"].startswith("wss") else None, subprotocols=job.get("subprotocols"),
        compression="deflate" if job.get("deflate") else None, max_size=None)
    result["opened"] = True
    try:
        await work(ws, job, result["messages"])
    except websockets.ConnectionClosedOK:
        pass
    except Exception as e:  # a refused close too, behind which the connection is neither open nor closed
        result["error"] = f"{type(e).__name__}: {e}"
        ws.close_timeout = 0.2
        await ws.close()
    await ws.wait_closed()
    result.update(closed=True, code=ws.close_code, reason=ws.close_reason)


async def work(ws, job, messages):
    for text in job.get("texts", []):
        await ws.send(text)
    while len(messages) < job.get("answers", 0):
        messages.append(told(await ws.recv()))
    match job["kind"]:
        case "close":
            await ws.close(*([job["code"], job.get("reason", "")] if "code" in job else []))
        case "upload":
            await ws.send(os.urandom(job["size"]))
        case "flood":
            await flood(ws)
        case "stall":
            await asyncio.sleep(job["stallMs"] / 1000)
        case _ if messages:
            await ws.close()
    while True:
        messages.append(told(await ws.recv()))


async def flood(ws):
    message = os.urandom(64 * 1024)
    while True:
        await ws.send(message)
        await asyncio.sleep(0)  # send need not wait, and nothing would be read


def told(message):
    return message if isinstance(message, str) else f"[binary, {len(message)} bytes]"


jobs.serve(run, "text", "close", "upload", "flood", "stall")
