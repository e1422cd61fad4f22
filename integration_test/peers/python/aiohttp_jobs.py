"""Python's aiohttp as a client. It has no wasClean, and tells the code but not
the reason of what it got in return for its own close."""
import aiohttp
import jobs


async def run(job, result):
    async with aiohttp.ClientSession() as session:
        ws = await session.ws_connect(
            job["url"], ssl=jobs.TLS, protocols=job.get("subprotocols", ()),
            compress=15 if job.get("deflate") else 0, max_msg_size=0)
        result["opened"] = True
        for text in job.get("texts", []):
            await ws.send_str(text)
        messages = result["messages"]
        while len(messages) < job.get("answers", 0):
            messages.append(await ws.receive_str())
        if job["kind"] == "close":
            await ws.close(**(dict(code=job["code"], message=job.get("reason", "").encode()) if "code" in job else {}))
        elif messages:
            await ws.close()
        else:
            await closing(ws, result)
        result.update(closed=True, code=ws.close_code)
        if ws.exception() is not None:
            result["error"] = f"{type(ws.exception()).__name__}: {ws.exception()}"


async def closing(ws, result):
    """Waits to be closed."""
    while (message := await ws.receive()).type is aiohttp.WSMsgType.TEXT:
        result["messages"].append(message.data)
    if message.type is aiohttp.WSMsgType.CLOSE:
        result["reason"] = message.extra


jobs.serve(run, "text", "close")
