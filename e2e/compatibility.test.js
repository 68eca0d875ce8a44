import assert from "node:assert/strict";
import { test } from "node:test";
import { pages, readResults } from "./compatibility.js";
import { resultsFile } from "./tests/results.js";

test("docs/compatibility.md says what ran; if not, look at the change and run make compatibility", () => {
  const { committed, expected } = pages(readResults(resultsFile));
  assert.equal(committed, expected);
});
