// Requests as no browser would send them: raw paths, any header, any address of
// loopback.
import { readFileSync } from "node:fs";
import { connect } from "node:http2";
import { request } from "node:https";
import { createSession } from "../tests/server.js";

// ask sends one request, on a connection of its own unless there is an agent, and
// returns its answer. Headers are pairs; the path goes out as it is.
export function ask(port, path, { method = "GET", headers = [], body = "", from = "127.0.0.1", agent = false } = {}) {
  return new Promise((done, failed) => {
    const all = ["Host", `localhost:${port}`, ...headers.flat()];
    if (body) {
      all.push("Content-Length", String(Buffer.byteLength(body)));
    }
    const asked = request({ host: "127.0.0.1", servername: "localhost", port, path, method, headers: all, localAddress: from, agent, timeout: 30_000, maxHeaderSize: 65_536 }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece) => { text += piece; });
      answer.on("end", () => done({ status: answer.statusCode, headers: answer.headers, body: text })).on("error", failed);
    });
    // An upgrade's answer has what came within a moment as its body.
    asked.on("upgrade", (answer, socket, head) => {
      let text = head.toString("latin1");
      socket.on("error", () => {}).on("data", (piece) => { text += piece.toString("latin1"); });
      setTimeout(() => {
        socket.destroy();
        done({ status: answer.statusCode, headers: answer.headers, body: text });
      }, 100);
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer to ${method} ${path}`)));
    asked.on("error", failed).end(body);
  });
}

// askAll sends requests over one HTTP/2 connection and returns their statuses; a stream
// that is reset has 400.
export async function askAll(port, paths, headers) {
  const connection = connect(`https://localhost:${port}`, { ca: readFileSync(process.env.NODE_EXTRA_CA_CERTS) });
  connection.on("error", () => {});
  try {
    return await Promise.all(paths.map((path) => new Promise((done) => {
      const asked = connection.request({ ":path": path, ...Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])) });
      asked.on("response", (answer) => done(answer[":status"])).on("error", () => done(400)).resume();
    })));
  } finally {
    connection.close();
  }
}

// signedIn makes a session and returns it with the header that carries it, among
// other cookies.
export async function signedIn(userId, more) {
  const { session, token } = await createSession(userId, more);
  return { session, cookie: ["Cookie", `theme=dark; __Host-rollcall=${token}`] };
}
