// How the npm package auth0 is called since version 5, which brought the client that
// is generated. Versions differ in what they ask for and in how a token failure arrives.
import assert from "node:assert/strict";
import { installedVersion } from "./version.js";

// outcome is what a call that answers nothing was answered.
async function outcome(call) {
  const { data, rawResponse } = await call.withRawResponse();
  assert.equal(data, undefined);
  return rawResponse.status;
}

function pageOf(page) {
  return {
    sessions: page.data,
    total: page.response?.total,
    next: page.hasNextPage() ? async () => pageOf(await page.getNextPage()) : undefined,
    visitAll: () => page,
  };
}

// generated describes one version to the suites (see ../suite.js).
export function generated({ major, sdk, totals, tokenError, tokenBody }) {
  const { ManagementClient, ManagementError, Management } = sdk;
  const unlisted = { kind: ManagementError };
  return {
    title: `auth0 ${installedVersion(`auth0-${major}`)} (npm)`,
    major,
    connect(where) {
      const client = new ManagementClient(where);
      return {
        list: async (userId, options) => pageOf(await client.users.sessions.list(userId, options)),
        get: (id) => client.sessions.get(id),
        update: (id, ...body) => client.sessions.update(id, ...body),
        delete: (id) => outcome(client.sessions.delete(id)),
        revoke: (id) => outcome(client.sessions.revoke(id)),
        deleteAll: (userId) => outcome(client.users.sessions.delete(userId)),
      };
    },
    offers: { update: true, revoke: true, visitAll: true, totals },
    bodyOf: (error) => error.body,
    anyError: ManagementError,
    errors: {
      badRequest: { kind: Management.BadRequestError },
      unlisted,
      unauthorized: { kind: Management.UnauthorizedError },
      forbidden: { kind: Management.ForbiddenError },
      notFound: { kind: Management.NotFoundError },
      tooMany: { kind: Management.TooManyRequestsError },
      conflict: unlisted,
      serverError: unlisted,
      noAnswer: unlisted,
      token: { kind: tokenError, body: tokenBody },
    },
    retries: { statuses: [408, 429, 500, 503], tries: 3, readsHeaders: true, firstWait: 900 },
  };
}
