import { suite } from "./suite.js";
import client from "./clients/auth0-4.js";

suite(client);
