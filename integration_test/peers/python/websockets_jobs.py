"""Python's websockets as a client. It has no wasClean; a close other than 1000
and 1001 is told as ConnectionClosedError."""
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
        messages.append(await ws.recv())
    if job["kind"] == "close":
        await ws.close(*([job["code"], job.get("reason", "")] if "code" in job else []))
    elif messages:
        await ws.close()
    while True:
        messages.append(await ws.recv())


jobs.serve(run)
