"""Runs in a namespace: opens connections of all kinds, says so once they are in use, and waits for its end.

It is started as a file, so it imports nothing of the tests.
"""

import asyncio
import sys
from typing import Any

from aiohttp import ClientSession, ClientTimeout

TASK = "Write all numbers from one to a thousand in words."
BODY = {"messages": [{"role": "user", "content": TASK}], "stream": True, "max_tokens": 1000}


async def main(url: str) -> None:
    """Until it is killed: a page that idles, one that is answered, a kept connection, a stream of the API."""
    idle, reading, kept, stream = (
        ClientSession(timeout=ClientTimeout(total=None)) for _ in range(4)
    )
    page = await idle.ws_connect(f"{url}/ws")
    while (await page.receive_json()).get("phase") != "ready":
        pass
    answered = await reading.ws_connect(f"{url}/ws")
    await answered.send_json({"type": "say", "ref": "r", "text": TASK})
    while (await answered.receive_json())["type"] != "piece":
        pass
    async with kept.get(f"{url}/healthz") as response:
        await response.read()
    response = await stream.post(f"{url}/v1/chat/completions", json=BODY)
    await response.content.readline()
    print("all are there", flush=True)
    await asyncio.gather(
        listen(page.receive), listen(answered.receive), listen(response.content.readany)
    )


async def listen(receive: Any) -> None:
    """Take what comes; pings are answered by the way."""
    while True:
        await receive()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
