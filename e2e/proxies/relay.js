// A relay in front of Rollcall, so that a test can count a proxy's connections and
// have its checks answered otherwise.
import { createServer as createHttp } from "node:http";
import { connect, createServer } from "node:net";

export class Relay {
  #target;
  #answer = null;
  #sockets = new Set();
  #server = createServer((socket) => this.#accept(socket));
  #http = createHttp((request, response) => this.#answer(request, response));
  connections = 0;

  constructor(targetPort) { this.#target = targetPort; }

  // start listens and returns the address.
  async start() {
    await new Promise((done, failed) => this.#server.on("error", failed).listen(0, "127.0.0.1", done));
    return `127.0.0.1:${this.#server.address().port}`;
  }

  // answerWith has every request answered by a handler of node:http, or by Rollcall
  // again when there is none. Connections that are open are closed.
  answerWith(handler) {
    this.#answer = handler ?? null;
    this.#closeSockets();
  }

  stop() {
    this.#closeSockets();
    this.#server.close();
  }

  #accept(socket) {
    this.connections++;
    this.#sockets.add(socket);
    socket.on("error", () => {}).on("close", () => this.#sockets.delete(socket));
    if (this.#answer) {
      this.#http.emit("connection", socket);
      return;
    }
    const target = connect(this.#target, "127.0.0.1");
    target.on("error", () => socket.destroy()).on("close", () => socket.destroy());
    socket.on("close", () => target.destroy());
    socket.pipe(target).pipe(socket);
  }

  #closeSockets() {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }
}
