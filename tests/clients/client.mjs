// The official TypeScript client: lists the tools and runs the query, over HTTP or stdio.
//
// Usage: client.mjs http URL | client.mjs stdio PROGRAM ARGUMENT...
// Prints one JSON object: protocol version, tools, and the query's structured rows.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const QUERY =
  "select c_mktsegment, count(*) from SNOWFLAKE_SAMPLE_DATA.TPCH_SF1.CUSTOMER " +
  "group by 1 order by 1";

const [kind, target, ...rest] = process.argv.slice(2);
const transport =
  kind === "http"
    ? new StreamableHTTPClientTransport(new URL(target))
    : new StdioClientTransport({ command: target, args: rest });

const client = new Client({ name: "test", version: "1.0.0" });
await client.connect(transport);
const { tools } = await client.listTools();
const result = await client.callTool({ name: "execute_query", arguments: { query: QUERY } });
console.log(
  JSON.stringify({
    protocol: transport.protocolVersion ?? null,
    tools: tools.map((tool) => tool.name).sort(),
    is_error: result.isError ?? false,
    text: result.content[0].text,
    structured: result.structuredContent,
  }),
);
await client.close();
