// The list: a section for each cluster, a row for each forward. Rows are kept and only what changed in them is written.

import { announce, byId, el, glyph, setText, show } from "./dom.js";
import { addressOf, arranged, isTold, isUp, keyOf, linkOf, nameOf, outageText, outages, remark, since, targetOf } from "./forwards.js";

const LABEL = { down: "Stopping…", remove: "Removing…", retry: "Retrying…", enable: "Starting…" };

export class List {
  #rows = new Map(); // key -> parts of the row
  #sections = new Map(); // context -> parts of the section
  #busy = new Map(); // key -> verb that is under way
  #turns = new Map(); // key -> when the last of them is over
  #outages = new Map(); // context -> what its forwards wait for together

  /** `act(verb, row)` does it; `close(context)` asks; `details(row, node)` fills the open row. */
  constructor({ act, close, details }) {
    this.act = act;
    this.close = close;
    this.details = details;
    this.main = byId("list");
  }

  draw(rows, { words, sort }) {
    const groups = arranged(rows, { words, sort });
    const wanted = new Set(groups.map(([context]) => context));
    const focused = document.activeElement;
    for (const [context, parts] of this.#sections) {
      if (!wanted.has(context)) {
        parts.node.remove();
        this.#sections.delete(context);
      }
    }
    const keys = new Set();
    this.#outages = outages(rows);
    const now = Date.now();
    groups.forEach(([context, members], at) => {
      const section = this.#sections.get(context) ?? this.#section(context);
      place(this.main, section.node, at);
      const up = rows.filter((row) => row.context === context && isUp(row)).length;
      this.#tell(context, section, now);
      setText(section.count, up === members.length ? `${up}` : `${up} of ${members.length} up`);
      members.forEach((row, index) => {
        keys.add(keyOf(row));
        const parts = this.#row(row);
        place(section.list, parts.node, index);
        this.#times(parts, now);
      });
    });
    for (const [key, parts] of this.#rows) {
      if (keys.has(key)) continue;
      this.#keepFocus(parts.node);
      parts.node.remove();
      this.#rows.delete(key);
      this.#turns.delete(key);
    }
    if (focused?.isConnected && focused !== document.activeElement && focused !== document.body) focused.focus();
    show(byId("empty"), rows.length === 0);
    show(byId("nothing"), rows.length > 0 && groups.length === 0);
  }

  /** Ages and times of the next attempt. */
  tick() {
    const now = Date.now();
    for (const [context, section] of this.#sections) this.#tell(context, section, now);
    for (const parts of this.#rows.values()) this.#times(parts, now);
  }

  flash(key) {
    const node = this.#rows.get(key)?.node;
    if (!node) return;
    node.classList.remove("changed");
    requestAnimationFrame(() => node.classList.add("changed"));
  }

  focus(key) {
    this.#rows.get(key)?.name.focus();
  }

  /** The row in which the focus is. */
  current() {
    const node = document.activeElement?.closest?.(".row");
    return node ? [...this.#rows.values()].find((parts) => parts.node === node) : undefined;
  }

  step(by) {
    const names = [...this.main.querySelectorAll(".row .name")];
    const at = names.indexOf(this.current()?.name);
    names[at < 0 ? (by > 0 ? 0 : names.length - 1) : Math.min(Math.max(at + by, 0), names.length - 1)]?.focus();
  }

  /** One after the other: an event may say how it went before its answer has come, and somebody acts on that. */
  run(verb, row) {
    const key = keyOf(row);
    if (this.#busy.get(key) === verb) return;
    this.#turns.set(key, (this.#turns.get(key) ?? Promise.resolve()).then(() => this.#run(verb, row, key)));
  }

  async #run(verb, row, key) {
    this.#busy.set(key, verb);
    this.#update(key);
    try {
      await this.act(verb, { names: [nameOf(row)] });
    } catch (error) {
      this.#fail(key, error.words ?? String(error));
    } finally {
      this.#busy.delete(key);
      this.#update(key);
    }
  }

  refresh(key) {
    const parts = this.#rows.get(key);
    if (parts && !parts.more.hidden) this.details(parts.row, parts.more);
  }

  #section(context) {
    const list = el("ul.rows", { "aria-label": `Forwards of ${context}` });
    const count = el("span.count");
    const outage = el("p.outage", { hidden: true });
    const button = el("button.quiet", { type: "button", onclick: () => this.close(context), "aria-label": `Close cluster ${context}` }, "Close…");
    const node = el("section.cluster", { "data-context": context }, el("header", {}, el("h2", {}, context || "no context"), count, button), outage, list);
    const parts = { node, list, count, outage };
    this.#sections.set(context, parts);
    return parts;
  }

  #row(row) {
    const key = keyOf(row);
    const parts = this.#rows.get(key) ?? this.#newRow(key);
    if (parts.row !== row) {
      parts.row = row;
      this.#update(key);
    }
    return parts;
  }

  #newRow(key) {
    const more = el("div.more", { hidden: true });
    const name = el("button.name", { type: "button", "aria-expanded": "false", onclick: () => this.toggle(key) });
    const parts = {
      name,
      more,
      sign: el("span.sign"),
      status: el("span.word"),
      age: el("span.age"),
      target: el("span.target"),
      link: el("a.link", { target: "_blank", rel: "noreferrer noopener" }),
      port: el("span.port"),
      note: el("p.note", { hidden: true }),
      buttons: el("div.act"),
    };
    const state = el("div.state", {}, parts.sign, parts.status, parts.age);
    const what = el("div.what", {}, name, parts.target);
    const where = el("div.where", {}, parts.link, parts.port);
    parts.node = el("li.row", {}, state, what, where, parts.buttons, parts.note, more);
    this.#rows.set(key, parts);
    return parts;
  }

  #update(key) {
    const parts = this.#rows.get(key);
    if (!parts) return;
    const { row } = parts;
    if (parts.node.dataset.status !== row.status) {
      parts.node.dataset.status = row.status;
      parts.sign.replaceChildren(glyph(row.status));
    }
    setText(parts.status, row.status);
    setText(parts.name, nameOf(row));
    setText(parts.target, `${row.namespace} / ${targetOf(row)}`);
    const link = linkOf(row);
    show(parts.link, Boolean(link));
    show(parts.port, !link);
    setText(parts.link, addressOf(row));
    setText(parts.port, addressOf(row) || "no port yet");
    if (link && parts.link.getAttribute("href") !== link) parts.link.setAttribute("href", link);
    this.#buttons(parts, this.#busy.get(key));
    this.#times(parts, Date.now());
  }

  /** What a cluster's forwards wait for is said once, above them. */
  #tell(context, { outage }, now) {
    const text = (this.#outages.get(context) ?? []).map((members) => outageText(members, now)).join("\n");
    setText(outage, text);
    show(outage, Boolean(text));
  }

  #times(parts, now) {
    const { row } = parts;
    setText(parts.age, since(row, now));
    const silent = row.status === "stopped" || isTold(row, this.#outages.get(row.context) ?? []);
    const note = parts.failed || (silent ? "" : remark(row, now));
    setText(parts.note, note);
    show(parts.note, Boolean(note));
  }

  #buttons(parts, busy) {
    const verbs = verbsOf(parts.row);
    const wanted = `${verbs.join()} ${busy ?? ""} ${nameOf(parts.row)}`;
    if (parts.buttons.dataset.for === wanted) return;
    const had = parts.buttons.contains(document.activeElement);
    parts.buttons.dataset.for = wanted;
    parts.buttons.replaceChildren(
      ...verbs.map(([verb, label]) =>
        el(
          "button",
          { type: "button", "aria-disabled": busy ? "true" : null, "aria-label": `${label} ${nameOf(parts.row)}`, onclick: () => this.run(verb, parts.row) },
          busy === verb ? LABEL[verb] : label,
        ),
      ),
    );
    if (had) (parts.buttons.querySelector("button") ?? parts.name).focus();
  }

  #fail(key, words) {
    const parts = this.#rows.get(key);
    if (!parts) return;
    parts.failed = words;
    announce(words);
    this.#times(parts, Date.now());
    setTimeout(() => {
      parts.failed = "";
      this.#times(parts, Date.now());
    }, 8000);
  }

  #keepFocus(node) {
    if (!node.contains(document.activeElement)) return;
    const next = node.nextElementSibling ?? node.previousElementSibling;
    (next?.querySelector(".name") ?? byId("add")).focus();
  }

  toggle(key) {
    const parts = this.#rows.get(key);
    if (!parts) return;
    const open = parts.more.hidden;
    show(parts.more, open);
    parts.name.setAttribute("aria-expanded", String(open));
    parts.node.classList.toggle("open", open);
    if (open) this.details(parts.row, parts.more);
    else parts.more.replaceChildren();
  }
}

/** What can be done about it, the first by the key `s`. */
export function verbsOf(row) {
  switch (row.status) {
    case "error":
      return [["retry", "Retry"], ["remove", "Remove"]];
    case "stopped":
    case "disabled":
      return [["enable", "Start"], ["remove", "Remove"]];
    case "reconnecting":
    case "suspended":
      return [["retry", "Retry"], ["down", "Stop"]];
    default:
      return [["down", "Stop"]];
  }
}

function place(parent, node, at) {
  if (parent.children[at] !== node) parent.insertBefore(node, parent.children[at] ?? null);
}
