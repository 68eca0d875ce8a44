import { suite } from "./suite.js";
import client from "./clients/auth0-6.js";

suite(client);
