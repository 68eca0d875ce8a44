// Starts the real binary and runs a command beside it:
// node with-server.js COMMAND [ARGUMENT...]
//
// The command finds in its environment where the server is (ROLLCALL_DOMAIN,
// ROLLCALL_HTTP), a client with every scope and one with a single scope, the local
// CA where node looks for it at start-up, the directory of the certificate, and a
// directory to leave things in. SERVER_SETTINGS, in JSON, are added to the server's
// configuration.
import { spawn } from "node:child_process";
import { newClient, startServer } from "./rollcall.js";

const everyScope = "read:sessions update:sessions delete:sessions create:sessions end:everybody check:sessions introspect backup";

const full = newClient("e2e", everyScope);
const reader = newClient("reader", "read:sessions");
const server = await startServer({ ...JSON.parse(process.env.SERVER_SETTINGS ?? "{}"), clients: [full.declaration, reader.declaration] });

const [command, ...args] = process.argv.slice(2);
const child = spawn(command, args, {
  stdio: "inherit",
  env: {
    ...process.env,
    NODE_EXTRA_CA_CERTS: server.caFile,
    ROLLCALL_DOMAIN: server.domain,
    ROLLCALL_HTTP: server.http,
    ROLLCALL_TLS: server.tls,
    ROLLCALL_RESULTS: server.directory,
    ROLLCALL_CLIENT_ID: "e2e",
    ROLLCALL_CLIENT_SECRET: full.secret,
    ROLLCALL_READER_SECRET: reader.secret,
  },
});
child.on("exit", async (code) => {
  const serverCode = await server.stop(code !== 0);
  process.exit((code ?? 1) || (serverCode ?? 1));
});
