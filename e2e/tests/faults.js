// A proxy in front of the server that fails the first requests and then passes on.
import { readFileSync } from "node:fs";
import { createServer, request as requestUpstream } from "node:https";
import { join } from "node:path";
import { domain } from "./server.js";

const [host, port] = domain.split(":");
const certificate = {
  cert: readFileSync(join(process.env.ROLLCALL_TLS, "cert.pem")),
  key: readFileSync(join(process.env.ROLLCALL_TLS, "key.pem")),
};

function readAll(stream) {
  return new Promise((done, failed) => {
    const parts = [];
    stream.on("data", (part) => parts.push(part));
    stream.on("end", () => done(Buffer.concat(parts)));
    stream.on("error", failed);
  });
}

function passOn(request, body) {
  return new Promise((done, failed) => {
    const upstream = requestUpstream({ host, port, method: request.method, path: request.url, headers: request.headers, agent: false }, async (answer) => {
      done({ status: answer.statusCode, headers: answer.headers, body: await readAll(answer) });
    });
    upstream.on("error", failed);
    upstream.end(body);
  });
}

// The headers that say when to come back; made when the answer is.
export const headers = {
  none: () => ({}),
  retryAfter: (seconds) => () => ({ "retry-after": String(seconds) }),
  // The reset is one to two seconds away: it counts in whole seconds.
  reset: (seconds = 1) => () => ({ "x-ratelimit-reset": String(Math.ceil(Date.now() / 1000) + seconds) }),
};

// startFaults answers the first requests as the faults say, one each: with a status
// and headers, after the server has acted where acted is set, or not at all where cut
// is. All later ones reach the server. It keeps when each arrived, and each answer
// that it gave.
export async function startFaults(t, ...faults) {
  const arrivals = [];
  const server = createServer(certificate, async (request, response) => {
    const arrival = { at: Date.now(), method: request.method, path: request.url };
    arrivals.push(arrival);
    const fault = faults.shift();
    const body = await readAll(request);
    if (!fault || fault.acted || fault.cut) {
      arrival.answer = await passOn(request, body);
    }
    if (fault?.cut) {
      response.socket.destroy();
      return;
    }
    if (fault) {
      arrival.headers = fault.headers?.() ?? {};
      response.writeHead(fault.status, { "content-type": "application/json; charset=utf-8", ...arrival.headers });
      response.end(JSON.stringify({ statusCode: fault.status, error: "Fault", message: `made by the proxy, ${fault.status}` }));
      return;
    }
    const { "transfer-encoding": _, connection: __, ...kept } = arrival.answer.headers;
    response.writeHead(arrival.answer.status, kept);
    response.end(arrival.answer.body);
  });
  await new Promise((done, failed) => {
    server.on("error", failed);
    server.listen(0, "127.0.0.1", done);
  });
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { domain: `127.0.0.1:${server.address().port}`, arrivals };
}
