"""The official Python client, calling until its standard input ends.

Usage: calling.py auto|legacy URL
Prints `ready` when the first call was answered, and one JSON object at the end: protocol, calls,
errors, wrong answers, and how often it had to begin anew because a lost answer took it down.
"""

import asyncio
import json
import sys

from mcp import Client

told = {"protocol": None, "calls": 0, "errors": [], "wrong": [], "restarts": 0}


async def call(client, number: int) -> None:
    """One call, whose answer must be its own."""
    result = await client.call_tool("execute_query", {"query": f"select {number} as N"})
    text = result.content[0].text
    if result.is_error:
        told["errors"].append(text)
    elif result.structured_content["rows"] != [[number]]:
        told["wrong"].append([number, text])
    told["calls"] += 1
    if told["calls"] == 1:
        print("ready", flush=True)


async def calls(mode: str, url: str, ended: asyncio.Event) -> None:
    """Calls with one client for as long as that can."""
    async with Client(url, mode=mode) as client:
        told["protocol"] = client.protocol_version
        while not ended.is_set():
            number = told["calls"]
            try:
                await call(client, number)
            except Exception as error:  # noqa: BLE001
                told["errors"].append(repr(error))
                told["calls"] += 1


async def main() -> None:
    mode = "auto" if sys.argv[1] == "auto" else "legacy"
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.run_in_executor(None, sys.stdin.read).add_done_callback(lambda _: ended.set())
    while not ended.is_set():
        try:
            await calls(mode, sys.argv[2], ended)
        except BaseException as error:  # noqa: BLE001
            told["errors"].append(repr(error))
            told["restarts"] += 1
    print(json.dumps(told))


asyncio.run(main())
