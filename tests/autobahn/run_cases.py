"""Runs Autobahn's cases and prints a line of JSON for each: case, what it makes of it, why.

    run_cases.py server URL           as a client, against the server there
    run_cases.py client COMMAND…      as a server, against this client; its port is the last word

A process of its own: the runner's threads do not survive the end of an interpreter.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import kosoku

# All of the protocol; 9 is about speed, 12 and 13 about an extension that we never ask for.
CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
LIMIT_S = 200.0


async def against_server(url: str) -> list[Any]:
    return await kosoku.run_fuzzingclient(url, CASES)


async def against_client(command: list[str]) -> list[Any]:
    async with kosoku.run_fuzzingserver(CASES, port=0) as server:
        client = await asyncio.create_subprocess_exec(*command, str(server.port))
        results = asyncio.ensure_future(server.get_result())
        if await client.wait() != 0:
            sys.exit(f"the client ended with status {client.returncode}")
        return await results


async def main(role: str, words: list[str]) -> None:
    run = against_server(words[0]) if role == "server" else against_client(words)
    try:
        results = await asyncio.wait_for(run, LIMIT_S)
    except kosoku.FailureError as failures:
        results = failures.results
    for r in results:
        said = {"case": r.case_id, "behavior": r.behavior.value, "close": r.behavior_close.value}
        print(json.dumps(said | {"result": r.result, "result_close": r.result_close}), flush=True)


asyncio.run(main(sys.argv[1], sys.argv[2:]))
os._exit(0)
