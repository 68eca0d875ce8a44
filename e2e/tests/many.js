// The one user with many sessions, signed in once a server.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createSessions } from "./server.js";

export const manyUser = "auth0|many";
export const manyCount = 1234;
export const manyFile = join(process.env.ROLLCALL_RESULTS, "many.json");

// signInMany leaves the sessions' ids in manyFile, sorted.
export async function signInMany() {
  const ids = await createSessions(manyUser, manyCount);
  writeFileSync(manyFile, JSON.stringify(ids.sort()));
}

export function manyIds() {
  return JSON.parse(readFileSync(manyFile, "utf8"));
}
