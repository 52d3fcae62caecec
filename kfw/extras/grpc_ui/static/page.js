// The methods of a gRPC server, a request for one of them, and what comes back. Text is always textContent.

import { linesOf } from "./lines.js";

const byId = (id) => document.getElementById(id);
//: Messages of one call that are kept on the page; of a longer stream the last ones.
const KEPT = 500;

let chosen = null;
let running = null;

function problem(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
}

async function load() {
  problem("");
  const answer = await fetch("/api/services");
  const offer = await answer.json();
  if (!answer.ok) {
    byId("methods").replaceChildren();
    return problem(offer.fix ? `${offer.what}\n${offer.fix}` : offer.what);
  }
  byId("name").textContent = offer.name;
  byId("target").textContent = offer.target;
  document.title = `${offer.name} – gRPC`;
  byId("methods").replaceChildren(...offer.services.flatMap(listed));
  if (!offer.services.length) problem("The server has no services besides reflection.");
  const wanted = decodeURIComponent(location.hash.slice(1));
  const methods = offer.services.flatMap((service) => service.methods);
  const first = methods.find((method) => method.path === wanted) ?? (methods.length === 1 ? methods[0] : null);
  if (first) choose(first);
}

function listed(service) {
  const title = document.createElement("h3");
  title.textContent = service.name;
  return [title, ...service.methods.map((method) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = method.name;
    button.dataset.path = method.path;
    button.addEventListener("click", () => choose(method));
    return button;
  })];
}

function choose(method) {
  running?.abort();
  chosen = method;
  for (const button of document.querySelectorAll("nav button")) button.setAttribute("aria-current", String(button.dataset.path === method.path));
  const many = (streams, name) => (streams ? `stream of ${name}` : name);
  byId("method").textContent = method.path;
  byId("kind").textContent = `${many(method.clientStreaming, method.input)} → ${many(method.serverStreaming, method.output)}`;
  byId("message").value = JSON.stringify(method.clientStreaming ? [method.template] : method.template, null, 2);
  byId("timeout").value = method.serverStreaming ? "0" : "30";
  clear();
  byId("call").hidden = false;
  history.replaceState(null, "", `#${encodeURIComponent(method.path)}`);
}

function clear() {
  status("");
  byId("answers").replaceChildren();
  byId("headers").hidden = true;
  byId("headers").querySelector("pre").textContent = "";
}

function status(text, ok) {
  byId("status").textContent = text;
  byId("status").dataset.ok = ok === undefined ? "" : ok ? "yes" : "no";
}

function metadata() {
  return byId("metadata").value.split("\n").filter((line) => line.trim()).map((line) => {
    const at = line.indexOf(":");
    return at < 0 ? [line.trim(), ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  });
}

async function send(event) {
  event.preventDefault();
  clear();
  let message;
  try {
    message = JSON.parse(byId("message").value);
  } catch (error) {
    return status(`The request is not JSON: ${error.message}`, false);
  }
  if (chosen.clientStreaming && !Array.isArray(message)) return status("This method takes a list of messages: [{…}, {…}]", false);
  const body = { method: chosen.path, messages: chosen.clientStreaming ? message : [message], metadata: metadata(), timeout: Number(byId("timeout").value) || 0 };
  const own = (running = new AbortController());
  byId("send").disabled = true;
  byId("cancel").disabled = false;
  status("Waiting…");
  try {
    const answer = await fetch("/api/call", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal: own.signal });
    if (!answer.ok) {
      const { what, fix } = await answer.json();
      return status(fix ? `${what}; ${fix}` : what, false);
    }
    let count = 0;
    for await (const said of linesOf(answer.body)) {
      if ("message" in said) shown(said.message, ++count);
      if (said.headers?.length) more("headers", said.headers);
      if (said.trailers?.length) more("trailers", said.trailers);
      if (said.status) status(`${said.status}${said.details ? `: ${said.details}` : ""}${count > 1 ? ` (${count} messages)` : ""}`, said.code === 0);
    }
  } catch (error) {
    status(own.signal.aborted ? "Cancelled" : `The call failed: ${error.message}`, false);
  } finally {
    if (running === own) running = null;
    byId("send").disabled = false;
    byId("cancel").disabled = true;
  }
}

function shown(message, count) {
  const item = document.createElement("li");
  const text = document.createElement("pre");
  text.textContent = JSON.stringify(message, null, 2);
  item.append(text);
  byId("answers").append(item);
  if (count > KEPT) byId("answers").firstChild.remove();
  if (chosen.serverStreaming) status(`${count} ${count === 1 ? "message" : "messages"}…`);
}

function more(kind, pairs) {
  byId("headers").hidden = false;
  byId("headers").querySelector("pre").textContent += pairs.map(([key, value]) => `${kind === "trailers" ? "trailer " : ""}${key}: ${value}\n`).join("");
}

byId("form").addEventListener("submit", send);
byId("cancel").addEventListener("click", () => running?.abort());
byId("again").addEventListener("click", () => load().catch(broken));
byId("filter").addEventListener("input", () => {
  const word = byId("filter").value.toLowerCase();
  for (const button of document.querySelectorAll("nav button")) button.hidden = !button.dataset.path.toLowerCase().includes(word);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && chosen && !running) byId("form").requestSubmit();
});

const broken = (error) => problem(`This page failed: ${error.message}`);
load().catch(broken);
