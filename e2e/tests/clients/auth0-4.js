// How the npm package auth0 is called in version 4, which has other names, no paging
// of its own, no update, no revoke, and one class for every error.
import { AuthApiError, FetchError, ManagementApiError, ManagementClient } from "auth0-4";
import { installedVersion } from "./version.js";

const api = { kind: ManagementApiError };

export default {
  title: `auth0 ${installedVersion("auth0-4")} (npm)`,
  major: 4,
  connect(where) {
    const client = new ManagementClient(where);
    async function list(userId, options) {
      const { data } = await client.users.getSessions({ user_id: userId, ...options });
      return {
        sessions: data.sessions,
        total: data.total,
        next: "next" in data ? () => list(userId, { ...options, from: data.next }) : undefined,
      };
    }
    return {
      list,
      get: async (id) => (await client.sessions.get({ id })).data,
      delete: async (id) => (await client.sessions.delete({ id })).status,
      deleteAll: async (userId) => (await client.users.deleteSessions({ user_id: userId })).status,
    };
  },
  offers: { update: false, revoke: false, visitAll: false, totals: "asked" },
  bodyOf: (error) => JSON.parse(error.body),
  // The names of this version, asked of the package itself.
  hasMethod: (name) => name in new ManagementClient({ domain: "localhost", token: "x" }).sessions,
  anyError: ManagementApiError,
  errors: {
    badRequest: api,
    unlisted: api,
    unauthorized: api,
    forbidden: api,
    notFound: api,
    tooMany: api,
    conflict: api,
    serverError: api,
    noAnswer: { kind: FetchError },
    token: { kind: AuthApiError, body: (error) => JSON.parse(error.body) },
  },
  retries: { statuses: [429], tries: 4, readsHeaders: false, firstWait: 500 },
};
