import * as sdk from "auth0-6";
import { generated } from "./generated.js";

export default generated({
  major: 6,
  sdk,
  totals: "always",
  tokenError: sdk.AuthApiError,
  tokenBody: (error) => JSON.parse(error.body),
});
