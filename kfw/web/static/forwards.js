// What is known of the forwards, and what follows from it. Nothing here touches the page.

/** As seed 001 has it: what works first, what ended last but what begins. */
const ORDER = ["active", "degraded", "reconnecting", "suspended", "error", "stopped", "disabled", "starting"];
const ENDED = new Set(["stopped", "disabled"]);
const SERVING = new Set(["active", "degraded"]);

export const isUp = (row) => !ENDED.has(row.status);
export const isServing = (row) => SERVING.has(row.status);
export const keyOf = (row) => `${row.project ?? ""}\n${row.name}`;
/** Also how requests name it: with its project where two have one of the same name. */
export const nameOf = (row) => row.displayName || row.name;
export const targetOf = (row) => `${row.target}${row.targetPort === null ? "" : `:${row.targetPort}`}`;

export function addressOf(row) {
  const named = row.localNames?.[0];
  const other = (row.localAddresses ?? []).find((each) => each !== "127.0.0.1" && each !== "::1");
  const host = named ?? (other?.includes(":") ? `[${other}]` : other) ?? "localhost";
  return row.localPort ? `${host}:${row.localPort}` : "";
}

/** Where a browser finds it; "" while nothing answers there. */
export function linkOf(row) {
  if (!isServing(row) || !addressOf(row)) return "";
  return /^https?:/.test(row.url ?? "") ? row.url : `http://${addressOf(row)}`;
}

export class Forwards {
  #rows = new Map();
  seq = 0;

  reset(reply) {
    this.#rows = new Map(reply.forwards.map((row) => [keyOf(row), row]));
    this.seq = reply.seq;
  }

  get size() {
    return this.#rows.size;
  }
  all() {
    return [...this.#rows.values()];
  }
  get(key) {
    return this.#rows.get(key);
  }

  /** The row that changed, before and after; null: nothing new. Throws "gap" when something was missed. */
  take(event) {
    if (event.seq <= this.seq) return null;
    if (event.seq !== this.seq + 1) throw new Error("gap");
    this.seq = event.seq;
    const row = event.forward;
    if (!row) return null;
    const key = keyOf(row);
    const before = this.#rows.get(key);
    if (before && row.epoch < before.epoch) return null;
    if (event.type === "removed") this.#rows.delete(key);
    else this.#rows.set(key, row);
    return { key, before, after: event.type === "removed" ? null : row };
  }
}

const rank = (row) => {
  const at = ORDER.indexOf(row.status);
  return at < 0 ? ORDER.length : at;
};
const byName = (a, b) => nameOf(a).localeCompare(nameOf(b), "en", { numeric: true });

/** By cluster; in each by status and the newest first, or by name. */
export function arranged(rows, { words = "", sort = "status" } = {}) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (row) => {
    const text = [nameOf(row), row.status, row.context, row.namespace, targetOf(row), addressOf(row), row.profile ?? ""]
      .join(" ")
      .toLowerCase();
    return wanted.every((word) => text.includes(word));
  };
  const compare = sort === "name" ? byName : (a, b) => rank(a) - rank(b) || b.epoch - a.epoch || byName(a, b);
  const groups = new Map();
  for (const row of rows.filter(fits).sort(compare)) {
    if (!groups.has(row.context)) groups.set(row.context, []);
    groups.get(row.context).push(row);
  }
  return [...groups].sort(([a], [b]) => a.localeCompare(b));
}

/** L13: inactive (none), healthy (all active), degraded (some), unhealthy (none of them). */
export function summary(rows) {
  const up = rows.filter(isUp);
  const good = up.filter((row) => row.status === "active").length;
  if (!up.length) return { health: "inactive", text: rows.length ? "None active" : "No forwards" };
  const count = `${up.length} forward${up.length === 1 ? "" : "s"}`;
  if (good === up.length) return { health: "healthy", text: `${count}, all active` };
  const worst = ["error", "suspended", "reconnecting", "degraded", "starting"].find((status) => up.some((row) => row.status === status));
  const many = up.filter((row) => row.status === worst).length;
  return { health: good ? "degraded" : "unhealthy", text: `${count}, ${many} ${worst === "error" ? "in error" : worst}` };
}

/** 42s, 5m, 2h 3m, 1d 4h */
export function span(seconds) {
  const whole = Math.max(Math.floor(seconds), 0);
  if (whole < 60) return `${whole}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours}h ${minutes % 60}m` : `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

export const since = (row, now) => span((now - Date.parse(row.since)) / 1000);

/** What forwards of one cluster, two or more, wait for together: by context. */
export function outages(rows) {
  const waiting = new Map();
  for (const row of rows) {
    if (row.status !== "suspended" || !row.reason) continue;
    const key = `${row.context}\n${row.reason}`;
    waiting.set(key, [...(waiting.get(key) ?? []), row]);
  }
  const found = new Map();
  for (const members of waiting.values()) {
    if (members.length < 2) continue;
    const { context } = members[0];
    found.set(context, [...(found.get(context) ?? []), members]);
  }
  return found;
}

/** Whether these, who wait together, say all that is to be said of it; a row that serves meanwhile may have the same message. */
export const isTold = (row, waiting) => waiting.some(([first]) =>
  isServing(row) ? row.message && row.message === first.message : row.status === first.status && row.reason === first.reason);

export function outageText(members, now) {
  const first = members.reduce((a, b) => (a.since < b.since ? a : b));
  const what = first.reason === "cluster-unreachable" ? "cannot be reached" : first.reason.replaceAll("-", " ");
  const text = `${what} for ${since(first, now)}, ${members.length} forwards wait${first.message ? `: ${first.message}` : ""}`;
  const next = members.map((row) => row.nextAttemptAt).filter(Boolean).sort()[0];
  return [text[0].toUpperCase() + text.slice(1), next && attempt(next, now)].filter(Boolean).join(" · ");
}

function attempt(at, now) {
  const left = (Date.parse(at) - now) / 1000;
  return left >= 1 ? `next attempt in ${span(left)}` : "trying now";
}

/** Why it is not simply active, and when it is tried again. */
export function remark(row, now) {
  const said = [row.message || (row.reason ?? "").replaceAll("-", " ")];
  if (row.configuredPort && row.localPort !== row.configuredPort && row.localPort) said.push(`not on ${row.configuredPort}, which was taken`);
  if (row.nextAttemptAt) said.push(attempt(row.nextAttemptAt, now));
  return said.filter(Boolean).join(" · ");
}
