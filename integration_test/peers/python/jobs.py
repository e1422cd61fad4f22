"""Runs WebSocket jobs: one JSON object per line on standard input, one JSON
result per line on standard output. job.go says what is in both objects."""
import asyncio
import json
import ssl
import sys
import time

# Test servers sign their own certificates.
TLS = ssl.create_default_context()
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


async def _answer(run, kinds, job):
    start = time.monotonic()
    result = dict(id=job["id"], opened=False, closed=False, code=0, reason="", wasClean=False, error="", messages=[])
    try:
        if job["kind"] not in kinds:
            raise ValueError(f"{job['kind']} is not a kind of job: {', '.join(kinds)}")
        async with asyncio.timeout(job["timeoutMs"] / 1000):
            await run(job, result)
    except TimeoutError:
        result["error"] = f"no close within {job['timeoutMs']} ms"
    except Exception as e:  # whatever it is belongs into the result
        result["error"] = f"{type(e).__name__}: {e}"
    result["ms"] = round((time.monotonic() - start) * 1000)
    print(json.dumps(result), flush=True)


async def _read_jobs(run, kinds):
    tasks = set()
    while line := await asyncio.to_thread(sys.stdin.readline):
        task = asyncio.create_task(_answer(run, kinds, json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


def serve(run, *kinds):
    """Runs jobs of these kinds until standard input ends; run(job, result) does one."""
    asyncio.run(_read_jobs(run, kinds))
