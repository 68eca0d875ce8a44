// What ran, kept for the page of compatibility.
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

export const resultsFile = process.env.ROLLCALL_RESULTS && join(process.env.ROLLCALL_RESULTS, "results.jsonl");

// record keeps what a client was seen to do. The call and the result are the words of
// the page, and never differ from run to run.
export function record(client, call, result) {
  if (resultsFile) {
    appendFileSync(resultsFile, `${JSON.stringify({ client, call, result })}\n`);
  }
}

// skipClient says that a client could not be run here, so that the page is not held
// against it.
export function skipClient(name) {
  if (resultsFile) {
    appendFileSync(resultsFile, `${JSON.stringify({ skipped: name })}\n`);
  }
}

// recorded is a test whose end is a line of the page: what act returns, or "works".
export function recorded(client, call, name, act) {
  test(name, async (t) => {
    const result = await act(t);
    record(client.title, call, result ?? "works");
  });
}
