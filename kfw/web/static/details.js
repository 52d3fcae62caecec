// What stands below an open row: where it goes and why so, who is connected, and what the log says of it.

import { get } from "./api.js";
import { el } from "./dom.js";
import { addressOf, nameOf, span } from "./forwards.js";

const SHOWN = 8;

export function details(refresh) {
  return async (row, node) => {
    const turn = (Number(node.dataset.turn) || 0) + 1;
    node.dataset.turn = turn;
    if (!node.children.length) node.append(el("p.hint", {}, "Looking…"));
    const ref = encodeURIComponent(nameOf(row));
    const asked = await Promise.allSettled([
      get(`forwards/${ref}/explain`),
      get("connections"),
      get(`logs?lines=12&name=${encodeURIComponent(nameOf(row))}`),
    ]);
    if (node.hidden || Number(node.dataset.turn) !== turn) return;
    const [why, connections, log] = asked.map((one) => (one.status === "fulfilled" ? one.value : null));
    const now = why?.forward ?? row;
    const open = (connections?.connections ?? []).filter((one) => one.forward === row.name && (one.project ?? row.project) === row.project && (one.state === "open" || one.state === "waiting"));
    node.replaceChildren(
      el("dl.facts", {}, ...facts(now, why)),
      el("h3", {}, "Connections"),
      connected(now, open),
      el("h3", {}, "Log"),
      el("pre.log", { tabindex: "0", "aria-label": `Log of ${nameOf(row)}` }, (log?.lines ?? []).join("\n") || "no lines about it"),
      el("button.quiet", { type: "button", onclick: () => refresh(row) }, "Look again"),
    );
  };
}

function facts(row, why) {
  const chosen = why?.candidates?.find((one) => one.chosen);
  const others = (why?.candidates ?? []).filter((one) => !one.chosen);
  return [
    fact("Local", addressOf(row)),
    row.ui ? fact("Page", pageOf(row.ui)) : null,
    fact("Endpoint", row.endpoint ? `${row.endpoint.kind} ${row.endpoint.name}:${row.endpoint.port}` : "none"),
    fact("Method", chosen ? `${row.method}: ${chosen.why}` : row.method),
    others.length ? fact("Not by", others.map((one) => `${one.method}: ${one.why}`).join("\n")) : null,
    why?.limits?.length ? fact("Limits", why.limits.join("\n")) : null,
    why?.wanted ? fact("Wanted", why.wanted) : null,
    row.profile ? fact("Profile", row.profile) : null,
    fact("Carried", `${bytes(row.bytesIn)} in, ${bytes(row.bytesOut)} out, ${row.totalConnections} connections, ${row.lostConnections} lost`),
    fact("Started", row.startedAt ? new Date(row.startedAt).toLocaleString() : "not known"),
  ].filter(Boolean);
}

/** Of a rest API or a gRPC service: a link, or why it is not there. */
function pageOf(ui) {
  if (!/^http:/.test(ui.url ?? "")) return ui.message || ui.status;
  return el("a.link", { href: ui.url, target: "_blank", rel: "noopener" }, ui.url);
}

const fact = (term, text) => el("div", {}, el("dt", {}, term), el("dd", {}, text));

function connected(row, open) {
  if (!open.length) return el("p.hint", {}, "Nobody is connected.");
  const items = open.slice(0, SHOWN).map((one) =>
    el("li", {}, `${one.process ?? one.client} · ${one.state} ${span(one.seconds)}${one.endpoint ? ` · ${one.endpoint}` : ""} · ${bytes(one.bytesIn)} in`),
  );
  if (open.length > SHOWN) items.push(el("li", {}, `and ${open.length - SHOWN} more`));
  return el("ul.plain", {}, ...items);
}

/** In powers of 1000: 950 B, 38.2 MB */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  const power = Math.min(Math.floor((String(count).length - 1) / 3), 4);
  return `${(count / 1000 ** power).toFixed(1)} ${" kMGT"[power]}B`;
}
