import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Proxy, newDirectory, snippet } from "./process.js";

export const name = "nginx";

// start runs nginx on the port, with what docs/proxies/nginx.conf says.
export function start({ port, rollcall, app, cert, key }) {
  const directory = newDirectory(name);
  writeFileSync(join(directory, "app.conf"), snippet("nginx.conf", {
    "127.0.0.1:8080": rollcall,
    "127.0.0.1:3000": app,
    "listen 443": `listen 127.0.0.1:${port}`,
    "app.example.com": "localhost",
    "/etc/ssl/app/cert.pem": cert,
    "/etc/ssl/app/key.pem": key,
  }));
  // What Debian's own nginx.conf is around a file of conf.d.
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${directory}/${kind};`);
  writeFileSync(join(directory, "nginx.conf"), `
    daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log stderr warn;
    ${process.getuid() === 0 ? "user root;" : ""}
    events {}
    http { access_log off; ${temporary.join(" ")} include ${directory}/app.conf; }`);
  return new Proxy(directory, "nginx", ["-p", directory, "-c", join(directory, "nginx.conf"), "-e", "stderr"]).listening(port);
}
