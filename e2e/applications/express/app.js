// An Express application whose sessions are Rollcall's.
import express from "express";
import { Rollcall } from "./rollcall.js";

const rollcall = new Rollcall({
  url: process.env.SESSIONS_URL, // such as https://sessions.example.com
  clientId: process.env.SESSIONS_CLIENT_ID,
  clientSecret: process.env.SESSIONS_CLIENT_SECRET,
});
// The server's cookie_domain decides the name: with one it is __Secure-rollcall.
const cookieName = "__Host-rollcall";
const origin = process.env.APP_ORIGIN; // this application's own, such as https://app.example.com

const app = express();
// The proxies in front of this application, and no others: they say who the user is.
app.set("trust proxy", process.env.TRUSTED_PROXIES ?? false);
app.use(express.urlencoded({ extended: false }));

// sessionToken finds the request's token. A cookie that is there twice is none: nobody can
// tell which is the browser's own.
function sessionToken(req) {
  const found = (req.headers.cookie ?? "").split(";")
    .map((pair) => pair.replace(/^[ \t]+|[ \t]+$/g, ""))
    .filter((pair) => pair.startsWith(`${cookieName}=`));
  return found.length === 1 ? found[0].slice(cookieName.length + 1) : undefined;
}

// sameOrigin lets only pages of this application change something.
function sameOrigin(req, res, next) {
  if (req.headers.origin === origin) {
    return next();
  }
  res.status(403).send("This request comes from another origin.\n");
}

// signedIn lets only those pass who are signed in, well enough for acr. touch: false is for
// requests that no person makes.
function signedIn({ acr, touch } = {}) {
  return async (req, res, next) => {
    const token = sessionToken(req);
    const verdict = token
      ? await rollcall.check(token, { ip: req.ip, userAgent: req.get("user-agent"), acr, touch })
      : { good: false, challenge: "Bearer" };
    res.set("Cache-Control", "no-store");
    if (!verdict.good) {
      return res.status(401).set("WWW-Authenticate", verdict.challenge).send("Please sign in.\n");
    }
    req.session = verdict;
    next();
  };
}

app.get("/", (req, res) => res.send("Hello.\n"));
app.get("/account", signedIn(), (req, res) => res.send(`${req.session.user_id}\n`));
// A page asks here by itself, every few seconds: that keeps nobody signed in.
app.get("/account/news", signedIn({ touch: false }), (req, res) => res.send("No news.\n"));
app.get("/payout", signedIn({ acr: "aal2" }), (req, res) => res.send("Paid.\n"));

app.post("/login", sameOrigin, async (req, res) => {
  if (req.body.password !== process.env.DEMO_PASSWORD) { // here goes your own way to know people
    return res.status(403).send("That is not the password.\n");
  }
  const cookie = await rollcall.signIn(req.body.user, {
    methods: [{ name: "pwd" }], ip: req.ip, userAgent: req.get("user-agent"), replaces: sessionToken(req),
  });
  res.set({ "Set-Cookie": cookie, "Cache-Control": "no-store" }).redirect(303, "/account");
});

app.post("/logout", sameOrigin, async (req, res) => {
  const token = sessionToken(req);
  const cookie = token && await rollcall.signOut(token); // fails when the session may go on: then the cookie stays
  res.set({ "Set-Cookie": cookie ?? `${cookieName}=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax`, "Cache-Control": "no-store" });
  res.redirect(303, "/");
});

// When the session server cannot say, nobody passes: not for somebody, and not for nobody.
app.use((error, req, res, next) => {
  console.error(error);
  res.status(503).set("Retry-After", "1").send("Nobody can say who is signed in. Please try again.\n");
});

const server = app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => console.log(`listening on port ${server.address().port}`));
