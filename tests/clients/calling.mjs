// The official TypeScript client, calling until its standard input ends.
//
// Usage: calling.mjs auto|legacy URL
// Prints `ready` when the first call was answered, and one JSON object at the end: protocol, calls,
// errors, and wrong answers. The newest protocol is spoken by the newer package alone.

const [mode, url] = process.argv.slice(2);
const told = { protocol: null, calls: 0, errors: [], wrong: [], restarts: 0 };

async function connect() {
  if (mode === "auto") {
    const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
    const client = new Client(
      { name: "test", version: "1.0.0" },
      { versionNegotiation: { mode: "auto" } },
    );
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    told.protocol = client.getNegotiatedProtocolVersion() ?? null;
    return client;
  }
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StreamableHTTPClientTransport } = await import(
    "@modelcontextprotocol/sdk/client/streamableHttp.js"
  );
  const client = new Client({ name: "test", version: "1.0.0" });
  const transport = new StreamableHTTPClientTransport(new URL(url));
  await client.connect(transport);
  told.protocol = transport.protocolVersion ?? null;
  return client;
}

let ended = false;
process.stdin.on("end", () => (ended = true)).resume();

const client = await connect();
while (!ended) {
  const number = told.calls;
  try {
    const query = `select ${number} as N`;
    const result = await client.callTool({ name: "execute_query", arguments: { query } });
    if (result.isError) told.errors.push(result.content[0].text);
    else if (JSON.stringify(result.structuredContent.rows) !== `[[${number}]]`)
      told.wrong.push([number, result.content[0].text]);
  } catch (error) {
    told.errors.push(String(error));
  }
  told.calls += 1;
  if (told.calls === 1) console.log("ready");
}
console.log(JSON.stringify(told));
await client.close();
process.exit(0);
