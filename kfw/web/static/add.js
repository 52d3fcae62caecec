// The dialog that starts a forward. What the cluster can be asked is offered, and nothing must be there to be typed.

import { get, post } from "./api.js";
import { announce, byId, el, setText, show } from "./dom.js";

const LOW = 1024;
/** 80 comes to 8080: low ports are reserved for root. */
export const usual = (port) => (port < LOW ? port + 8000 : port);

/** A service may have a node port; nothing else is reached without a way into its pods. */
const isOffered = (one) => one.mayForward !== false || one.target.startsWith("service/");

export function portIn(text) {
  const number = /^\d{1,5}$/.test(text.trim()) ? Number(text) : 0;
  return number >= 1 && number <= 65535 ? number : 0;
}

export class AddDialog {
  #turn = { targets: 0, ports: 0, local: 0 }; // an answer counts only if nothing was asked after it
  #targets = [];
  #fetched = ""; // the target whose ports are shown
  #typedLocal = false;
  #starting = false;
  #timers = {};

  /** `started(row)` when it is active. */
  constructor(started) {
    this.started = started;
    this.dialog = byId("add-dialog");
    this.form = byId("add-form");
    const on = (id, kind, act) => byId(id).addEventListener(kind, act);
    on("add-cancel", "click", () => this.#close());
    this.dialog.addEventListener("cancel", (event) => this.#starting && event.preventDefault());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start();
    });
    on("add-cluster", "change", () => this.#chooseCluster());
    on("add-namespace", "input", () => this.#later("targets", () => this.#fetchTargets()));
    on("add-kind", "change", () => this.#targetChanged());
    on("add-target", "input", () => this.#later("ports", () => this.#targetChanged()));
    on("add-choices", "input", () => this.#portChanged());
    on("add-local", "input", () => {
      this.#typedLocal = true;
      this.#localChanged();
    });
    on("add-nearby", "click", () => {
      byId("add-local").value = byId("add-nearby").dataset.port;
      this.#typedLocal = true;
      this.#localChanged();
      byId("add-local").focus();
    });
  }

  async open() {
    if (this.dialog.open) return;
    this.form.reset();
    this.#targets = [];
    this.#fetched = "";
    this.#typedLocal = false;
    this.#problem("");
    this.#choices([], "Choose a target first.");
    this.dialog.showModal();
    byId("add-cluster").replaceChildren(el("option", { value: "" }, "Looking for clusters…"));
    this.#valid();
    try {
      const { clusters } = await get("clusters");
      const known = clusters.filter((one) => one.namespace);
      byId("add-cluster").replaceChildren(
        ...known.map((one) => el("option", { value: one.context, selected: one.current, "data-namespace": one.namespace }, one.context)),
      );
      if (known.length) await this.#chooseCluster();
      else this.#problem("The kubeconfig of `kfw web` has no clusters.");
    } catch (error) {
      this.#problem(error.words);
    }
  }

  #close() {
    if (!this.#starting) this.dialog.close();
  }

  get #cluster() {
    return byId("add-cluster").value;
  }
  get #target() {
    const name = byId("add-target").value.trim();
    return name ? `${byId("add-kind").value}/${name}` : "";
  }

  async #chooseCluster() {
    byId("add-namespace").value = byId("add-cluster").selectedOptions[0]?.dataset.namespace ?? "";
    await this.#fetchTargets();
  }

  async #fetchTargets() {
    const turn = ++this.#turn.targets;
    const namespace = byId("add-namespace").value.trim();
    this.#targets = [];
    this.#denied = "";
    this.#looking = true;
    this.#targetChanged();
    let found;
    try {
      found = await post("targets", { context: this.#cluster, namespace });
    } catch (error) {
      found = { targets: [], namespaces: [], denied: error.words };
    }
    if (turn !== this.#turn.targets) return;
    this.#looking = false;
    this.#targets = found.targets;
    byId("namespaces").replaceChildren(...found.namespaces.map((name) => el("option", { value: name })));
    this.#denied = found.denied;
    this.#targetChanged();
  }
  #denied = "";
  #looking = false;

  #targetChanged() {
    const kind = byId("add-kind").value;
    const names = this.#targets.filter((one) => one.target.startsWith(`${kind}/`) && isOffered(one));
    byId("target-names").replaceChildren(
      ...names.map((one) => el("option", { value: one.target.slice(kind.length + 1) }, one.pods === null ? "" : `${one.ready}/${one.pods} ready`)),
    );
    const chosen = this.#targets.find((one) => one.target === this.#target);
    setText(byId("add-found"), this.#said(chosen, names.length, kind));
    this.#fetchPorts();
  }

  #said(chosen, count, kind) {
    if (this.#looking) return "Looking for targets…";
    if (this.#targets.some((one) => one.mayForward === false)) return "You may not forward to pods in this namespace.";
    if (chosen) return chosen.pods === null ? "" : `${chosen.ready} of ${chosen.pods} pods ready`;
    if (this.#denied) return `Some cannot be listed: ${this.#denied}`;
    return count ? `${count} ${kind}${count === 1 ? "" : "s"} here` : `No ${kind} found here; type a name.`;
  }

  async #fetchPorts() {
    const target = this.#target;
    const key = `${this.#cluster}\n${byId("add-namespace").value}\n${target}`;
    if (!target) {
      this.#fetched = "";
      ++this.#turn.ports;
      this.#choices([], "Choose a target first.");
      return;
    }
    if (key === this.#fetched) return;
    this.#fetched = key;
    const turn = ++this.#turn.ports;
    this.#choices([], "Loading available ports…");
    let ports = [];
    let why = "It declares no port; type one.";
    try {
      ({ ports } = await post("target-ports", { context: this.#cluster, namespace: byId("add-namespace").value.trim(), target }));
    } catch (error) {
      why = `${error.message}. Type a port.`;
    }
    if (turn !== this.#turn.ports) return;
    if (ports.length) why = `It declares no TCP port, only ${ports.map((port) => `${port.number}/${port.protocol}`).join(", ")}; type one.`;
    this.#choices(ports, why, true);
  }

  /** Radio buttons, the first TCP one chosen; without ports a number to type, once it is known that there are none. */
  #choices(ports, why, known = false) {
    const box = byId("add-choices");
    const first = ports.findIndex((port) => port.protocol === "TCP");
    if (first >= 0) {
      box.replaceChildren(
        ...ports.map((port, at) =>
          el(
            "label.choice",
            {},
            el("input", { type: "radio", name: "port", value: port.number, checked: at === first, disabled: port.protocol !== "TCP", "data-local": port.usualLocalPort }),
            el("b", {}, String(port.number)),
            el("span", {}, port.name || "unnamed"),
            el("span.faint", {}, [port.protocol, port.container].filter(Boolean).join(" · ")),
          ),
        ),
      );
    } else {
      const free = known ? el("input", { id: "add-free", inputmode: "numeric", "aria-label": "Port of the target", required: true }) : null;
      box.replaceChildren(...[free, el("p.hint", { role: "status" }, why)].filter(Boolean));
    }
    this.#typedLocal = false;
    this.#portChanged();
  }

  get #port() {
    const chosen = this.form.elements.port;
    const radio = chosen?.value ?? "";
    return portIn(radio || (byId("add-free")?.value ?? ""));
  }

  #portChanged() {
    const port = this.#port;
    this.#typedLocal = false;
    byId("add-local").value = port ? String(usual(port)) : "";
    this.#localChanged();
  }

  #localChanged() {
    this.#valid();
    this.#later("local", () => this.#lookAtLocal(), 150);
  }

  async #lookAtLocal() {
    const turn = ++this.#turn.local;
    const port = portIn(byId("add-local").value);
    let found = null;
    try {
      if (port) found = await get(`local-ports/${port}`);
    } catch {
      return; // it is only a hint, Start will say it
    }
    if (turn !== this.#turn.local) return;
    const busy = found !== null && !found.free;
    show(byId("add-busy"), busy);
    if (!busy) return;
    setText(byId("add-busy-text"), `${port} is busy: ${found.why}`);
    const nearby = byId("add-nearby");
    show(nearby, Boolean(found.nearby));
    nearby.dataset.port = found.nearby ?? "";
    setText(nearby, `Use ${found.nearby}`);
  }

  #valid() {
    const local = portIn(byId("add-local").value);
    const typed = byId("add-local").value.trim() !== "";
    byId("add-local").setAttribute("aria-invalid", String(typed && !local));
    const ok = Boolean(this.#cluster && this.#target && this.#port && local);
    byId("add-start").disabled = !ok || this.#starting;
    const hint = typed && !local ? "A port is a number from 1 to 65535." : ok ? `Forwards localhost:${local} to ${byId("add-kind").value}:${this.#port}` : "";
    setText(byId("add-hint"), hint);
  }

  async #start() {
    if (byId("add-start").disabled) return;
    this.#set(true);
    this.#problem("");
    try {
      const row = await post("start", {
        context: this.#cluster,
        namespace: byId("add-namespace").value.trim(),
        target: this.#target,
        targetPort: this.#port,
        localPort: portIn(byId("add-local").value),
      });
      this.#set(false);
      this.dialog.close();
      announce(`${row.name} is active`);
      this.started(row);
    } catch (error) {
      this.#set(false);
      this.#problem(error.words);
    }
  }

  #set(starting) {
    this.#starting = starting;
    byId("add-start").textContent = starting ? "Starting…" : "Start";
    byId("add-cancel").disabled = starting;
    this.#valid();
  }

  #problem(words) {
    setText(byId("add-error"), words);
    show(byId("add-error"), Boolean(words));
  }

  #later(what, act, pause = 250) {
    clearTimeout(this.#timers[what]);
    this.#timers[what] = setTimeout(act, pause);
  }
}
