import * as sdk from "auth0-7";
import { generated } from "./generated.js";

export default generated({
  major: 7,
  sdk,
  totals: "always",
  tokenError: sdk.ManagementError,
  tokenBody: (error) => error.body,
});
