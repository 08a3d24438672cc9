"""The official Python client: lists the tools and runs the query, over HTTP or stdio.

Usage: client.py auto|legacy http URL | client.py auto|legacy stdio PROGRAM ARGUMENT...
Prints one JSON object: protocol version, tools, and the query's structured rows.
"""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters

QUERY = (
    "select c_mktsegment, count(*) from SNOWFLAKE_SAMPLE_DATA.TPCH_SF1.CUSTOMER "
    "group by 1 order by 1"
)


def server(kind: str, *rest: str):
    """What the client connects to."""
    if kind == "http":
        return rest[0]
    return StdioServerParameters(command=rest[0], args=list(rest[1:]))


async def main() -> None:
    mode = "auto" if sys.argv[1] == "auto" else "legacy"
    async with Client(server(*sys.argv[2:]), mode=mode) as client:
        tools = await client.list_tools()
        result = await client.call_tool("execute_query", {"query": QUERY})
        answer = {
            "protocol": client.protocol_version,
            "tools": sorted(tool.name for tool in tools.tools),
            "is_error": result.is_error,
            "text": result.content[0].text,
            "structured": result.structured_content,
        }
    print(json.dumps(answer))


asyncio.run(main())
