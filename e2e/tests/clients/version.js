// The version that is installed, so that none is claimed that did not run.
import { readFileSync } from "node:fs";
import { join } from "node:path";

export function installedVersion(alias) {
  const file = join(import.meta.dirname, "../../node_modules", alias, "package.json");
  return JSON.parse(readFileSync(file, "utf8")).version;
}
