// Log in, get the list, follow what changes; get the list again after everything that may have been missed.

import { Refused, follow, get, logIn, onLogin, post } from "./api.js";
import { AddDialog } from "./add.js";
import { details } from "./details.js";
import { announce, byId, setText, show } from "./dom.js";
import { Forwards, isUp, keyOf, linkOf, nameOf, summary } from "./forwards.js";
import { List, verbsOf } from "./list.js";

/** Milliseconds: first and longest pause of a page that nobody answers, and until a page that nobody sees stops following. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 5000;
const UNSEEN = 30000;

const forwards = new Forwards();
const list = new List({ act: (verb, body) => post(verb, body), close: closeCluster, details: details((row) => list.refresh(keyOf(row))) });
const adding = new AddDialog((row) => {
  draw();
  list.focus(keyOf(row));
});
let stream = null;
let pause = FIRST_PAUSE;
let waiting = null;
let drawing = false;
let unseen = null;
let closing = "";
let syncs = 0;

// -- what is there

async function sync() {
  clearTimeout(waiting);
  stream?.close();
  const turn = ++syncs;
  try {
    const reply = await get("status");
    if (turn !== syncs) return;
    forwards.reset(reply);
    setText(byId("daemon"), `kfw ${reply.daemon.version} · pid ${reply.daemon.pid}`);
    warn(reply.daemon.warnings.join(" · "));
    show(byId("gate"), false);
    document.body.dataset.state = "live";
    listen();
    draw();
  } catch (error) {
    if (turn === syncs) lost(error);
  }
}

function listen() {
  stream = follow(forwards.seq);
  const mine = stream;
  stream.onopen = () => (pause = FIRST_PAUSE);
  stream.onerror = () => {
    if (mine !== stream) return;
    mine.close();
    again();
  };
  stream.onmessage = (message) => {
    if (mine !== stream) return;
    let change;
    try {
      change = forwards.take(JSON.parse(message.data));
    } catch {
      sync(); // something was missed
      return;
    }
    if (change) tell(change);
  };
}

function tell({ key, before, after }) {
  drawSoon();
  if (after && before?.status !== after.status) {
    requestAnimationFrame(() => list.flash(key));
    if (!document.hidden) announce(`${nameOf(after)}: ${after.status}${after.message ? `, ${after.message}` : ""}`);
  }
  list.refresh(key);
}

function again() {
  clearTimeout(waiting);
  waiting = setTimeout(sync, pause * (0.8 + 0.4 * Math.random()));
  pause = Math.min(pause * 2, LONGEST_PAUSE);
}

function lost(error) {
  if (error instanceof Refused && error.status === 401) {
    gate(error.message);
    return;
  }
  document.body.dataset.state = "offline";
  byId("indicator").dataset.health = "inactive";
  setText(byId("indicator-text"), "Not connected");
  document.title = "kfw – not connected";
  warn(`${error.message}. What you see is the last known state. If the daemon has ended, \`kfw web --port ${location.port}\` brings this page back.`);
  byId("list").setAttribute("aria-busy", "false");
  again();
}

function gate(what) {
  stream?.close();
  document.body.dataset.state = "gate";
  setText(byId("gate-what"), `${what[0].toUpperCase()}${what.slice(1)}`);
  setText(byId("gate-command"), location.port === "7531" ? "kfw web" : `kfw web --port ${location.port}`);
  setText(byId("indicator-text"), "Not logged in");
  warn("");
  show(byId("gate"), true);
  show(byId("empty"), false);
  byId("list").setAttribute("aria-busy", "false");
}

function warn(words) {
  setText(byId("offline"), words);
  show(byId("offline"), Boolean(words));
}

// -- what is shown

function drawSoon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(draw);
}

function draw() {
  drawing = false;
  if (document.body.dataset.state !== "live") return;
  const rows = forwards.all();
  list.draw(rows, { words: byId("filter").value, sort: byId("sort").value });
  const { health, text } = summary(rows);
  byId("indicator").dataset.health = health;
  setText(byId("indicator-text"), text);
  document.title = `kfw – ${text}`;
  byId("list").setAttribute("aria-busy", "false");
}

// -- closing a cluster

async function closeCluster(context) {
  closing = context;
  const count = forwards.all().filter((row) => row.context === context && isUp(row)).length;
  if (!count) {
    await stopAndClose();
    return;
  }
  setText(byId("close-text"), `Cluster "${context}" has ${count} active port forward${count === 1 ? "" : "s"}. Stop ${count === 1 ? "it" : "them"} and close?`);
  show(byId("close-error"), false);
  byId("close-dialog").showModal();
  byId("close-cancel").focus();
}

async function stopAndClose() {
  const button = byId("close-confirm");
  button.disabled = true;
  try {
    await post("down", { context: closing });
    await post("remove", { context: closing });
    byId("close-dialog").close();
    byId("add").focus();
  } catch (error) {
    setText(byId("close-error"), error.words);
    show(byId("close-error"), true);
    if (!byId("close-dialog").open) byId("close-dialog").showModal();
  } finally {
    button.disabled = false;
  }
}

// -- keys

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape" && event.target === byId("filter")) {
    showAll();
    return;
  }
  if (typing || document.body.dataset.state !== "live") return;
  const row = list.current()?.row;
  const verbs = row ? verbsOf(row).map(([verb]) => verb) : [];
  const acts = {
    n: () => adding.open(),
    "/": () => byId("filter").focus(),
    "?": () => byId("help-dialog").showModal(),
    j: () => list.step(1),
    k: () => list.step(-1),
    ArrowDown: () => list.step(1),
    ArrowUp: () => list.step(-1),
    o: row && linkOf(row) ? () => open(linkOf(row), "_blank", "noopener,noreferrer") : null,
    c: row ? () => copy(row) : null,
    s: verbs.includes("down") ? () => list.run("down", row) : verbs.includes("enable") ? () => list.run("enable", row) : null,
    r: verbs.includes("retry") ? () => list.run("retry", row) : null,
    x: verbs.includes("remove") ? () => list.run("remove", row) : null,
  };
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

async function copy(row) {
  const text = linkOf(row) || `localhost:${row.localPort}`;
  await navigator.clipboard.writeText(text);
  announce(`copied ${text}`);
}

function showAll() {
  byId("filter").value = "";
  draw();
}

// -- from here on

byId("add").addEventListener("click", () => adding.open());
byId("add-first").addEventListener("click", () => adding.open());
byId("filter").addEventListener("input", drawSoon);
byId("show-all").addEventListener("click", showAll);
byId("sort").addEventListener("change", drawSoon);
byId("help-open").addEventListener("click", () => byId("help-dialog").showModal());
byId("close-cancel").addEventListener("click", () => byId("close-dialog").close());
byId("close-confirm").addEventListener("click", stopAndClose);
addEventListener("keydown", onKey);
setInterval(() => document.hidden || list.tick(), 1000);
document.addEventListener("visibilitychange", () => {
  // A browser has six connections for all tabs: one that nobody sees gives its own back.
  clearTimeout(unseen);
  if (document.hidden) unseen = setTimeout(() => stream?.close(), UNSEEN);
  else if (stream?.readyState === EventSource.CLOSED && document.body.dataset.state === "live") sync();
});
onLogin(sync);
logIn().then(sync, (error) => get("status").then(sync, () => (error.status === 401 ? gate(error.message) : lost(error))));
