// The control API as this browser has it: a cookie that only the daemon reads, and a path that only this page knows.

const PLACE = "kfw.path";

export class Refused extends Error {
  /** `status` is HTTP's, 0 when nobody answered; `fix` what to do about it. */
  constructor(status, what, fix = "") {
    super(what);
    this.status = status;
    this.fix = fix;
  }
  get words() {
    return this.fix ? `${this.message}. ${this.fix[0].toUpperCase()}${this.fix.slice(1)}` : this.message;
  }
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw new Refused(0, "kfw does not answer");
  }
  let said = {};
  try {
    said = await answer.json();
  } catch {
    if (answer.ok) throw new Refused(0, "kfw did not complete its answer");
  }
  if (!answer.ok) throw new Refused(answer.status, said.what ?? `HTTP ${answer.status}`, said.fix ?? "");
  return said;
}

const sent = (body) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

/** Exchanges the token of the URL's fragment, which is gone from the address bar before anything else happens. */
export async function logIn() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", "/");
  const { path } = await ask("/login", sent({ token }));
  localStorage.setItem(PLACE, path);
}

const place = () => {
  const path = localStorage.getItem(PLACE);
  if (!path) throw new Refused(401, "this browser is not logged in");
  return path;
};

export const get = async (path) => ask(`${place()}/v1/${path}`);
export const post = async (path, body) => ask(`${place()}/v1/${path}`, sent(body));

/** Another tab has logged in. */
export function onLogin(act) {
  addEventListener("storage", (event) => event.key === PLACE && event.newValue && act());
}

export const follow = (seq) => new EventSource(`${place()}/v1/events?follow=true&since=${seq}`);
