// A web server that shares its port with its siblings, in Node's standard library alone.
//
// The supervisor has bound the port: it is descriptor 3. SIGTERM means: take nothing new, finish
// what runs, leave.

import { createServer } from "node:http";

const server = createServer((_request, response) => {
  response.setHeader("Connection", "close");
  response.end(String(process.pid));
});

server.listen({ fd: 3 }, () => console.log("listening on descriptor 3"));

// Once the last connection is closed nothing is left to wait for, and Node leaves with 0.
process.on("SIGTERM", () => server.close());
