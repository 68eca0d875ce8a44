import { suite } from "./suite.js";
import client from "./clients/auth0-7.js";

suite(client);
