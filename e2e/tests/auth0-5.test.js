import { suite } from "./suite.js";
import client from "./clients/auth0-5.js";

suite(client);
