import assert from "node:assert/strict";
import { test } from "node:test";
import { pages, readResults } from "./compatibility.js";
import { resultsFile } from "./tests/results.js";

test("docs/compatibility.md says what ran; if not, look at the change and run make compatibility", () => {
  const { committed, expected } = pages(readResults(resultsFile));
  const [page, ran] = [committed.split("\n"), expected.split("\n")];
  assert.deepEqual({ page: page.filter((line) => !ran.includes(line)), ran: ran.filter((line) => !page.includes(line)) }, { page: [], ran: [] });
  assert.ok(committed === expected, "the lines are the same, in another order");
});
