import * as sdk from "auth0-5";
import { generated } from "./generated.js";

export default generated({
  major: 5,
  sdk,
  totals: "never",
  tokenError: sdk.AuthApiError,
  tokenBody: (error) => JSON.parse(error.body),
});
