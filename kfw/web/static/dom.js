// Elements from words. Text is always textContent: nothing that a cluster says can become markup.

export const byId = (id) => document.getElementById(id);

/** `el("p.hint", {title: "x", onclick: f}, "text", child)`; null children are left out. */
export function el(what, props = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  for (const [key, value] of Object.entries(props)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Only what changes is written, so that readers of the screen are not told again what they know. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

const SVG = "http://www.w3.org/2000/svg";
const SHAPES = {
  active: [["circle", { cx: 8, cy: 8, r: 5, fill: "currentColor", stroke: "none" }]],
  degraded: [["path", { d: "M8 2.5 14 13H2z", fill: "currentColor", stroke: "none" }]],
  reconnecting: [["path", { d: "M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3" }]],
  suspended: [["path", { d: "M5.5 3.5v9M10.5 3.5v9" }]],
  error: [["path", { d: "m4 4 8 8M12 4l-8 8" }]],
  starting: [["path", { d: "M13 8a5 5 0 1 1-5-5" }]],
  stopped: [["circle", { cx: 8, cy: 8, r: 4.2 }]],
  disabled: [["circle", { cx: 8, cy: 8, r: 4.2 }], ["path", { d: "m5 11 6-6" }]],
};

/** A shape of its own for each status: colour alone says it to some only. */
export function glyph(status) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  for (const [tag, attributes] of SHAPES[status] ?? SHAPES.starting) {
    const shape = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    svg.append(shape);
  }
  return svg;
}

/** Said once to readers of the screen. */
export function announce(text) {
  byId("announce").textContent = text;
}
