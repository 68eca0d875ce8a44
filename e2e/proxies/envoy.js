import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Proxy, newDirectory, snippet } from "./process.js";

export const name = "envoy";

// start runs Envoy on the port, with what docs/proxies/envoy.yaml says.
export function start({ port, rollcall, app, cert, key }) {
  const directory = newDirectory(name);
  const at = (address) => {
    const [host, number] = address.split(":");
    return `address: ${host}, port_value: ${number}`;
  };
  writeFileSync(join(directory, "envoy.yaml"), snippet("envoy.yaml", {
    "http://127.0.0.1:8080": `http://${rollcall}`,
    "address: 127.0.0.1, port_value: 8080": at(rollcall),
    "address: 127.0.0.1, port_value: 3000": at(app),
    "address: 0.0.0.0, port_value: 443": at(`127.0.0.1:${port}`),
    "domains: [app.example.com]": `domains: ["localhost:${port}"]`,
    "/etc/ssl/app/cert.pem": cert,
    "/etc/ssl/app/key.pem": key,
  }));
  return new Proxy(directory, "envoy", ["--config-path", join(directory, "envoy.yaml"), "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"]).listening(port);
}
