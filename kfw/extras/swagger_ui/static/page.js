// Finds the API's description behind this page, and hands it to Swagger UI so that "Execute" comes back here: the page and
// the API have one origin, so the API needs no CORS.

import { onOneOrigin } from "./servers.js";

const byId = (id) => document.getElementById(id);

/** Is this text an OpenAPI document, in JSON or YAML? What else has such a path is mostly a page. */
function isDescription(text) {
  try {
    const read = JSON.parse(text);
    return Boolean(read && (read.openapi || read.swagger));
  } catch {
    return /^\s*["']?(openapi|swagger)["']?\s*:/m.test(text.slice(0, 100_000)) && !/^\s*</.test(text);
  }
}

async function describes(path) {
  try {
    const answer = await fetch(path, { headers: { accept: "application/json, application/yaml;q=0.9, */*;q=0.5" } });
    return { status: answer.status, found: answer.ok && isDescription(await answer.text()) };
  } catch {
    return { status: 0, found: false };
  }
}

function tell(text, isProblem = false) {
  byId("where").textContent = text;
  byId("where").classList.toggle("problem", isProblem);
}

function missing(tried) {
  tell("The API does not describe itself at any of these paths. Set swaggerPath in the config to the right one.", true);
  const list = document.createElement("ul");
  for (const { path, status } of tried) {
    const item = document.createElement("li");
    item.textContent = `${path}: ${status || "no answer"}`;
    list.append(item);
  }
  byId("where").after(list);
}

async function main() {
  const page = await (await fetch("page.json")).json();
  byId("name").textContent = page.name;
  document.title = `${page.name} – Swagger UI`;
  const tried = [];
  for (const path of page.paths) {
    const { status, found } = await describes(path);
    if (found) {
      tell(path);
      return show(path, page.apiPath);
    }
    tried.push({ path, status });
    if (status === 502 || status === 504) break; // nobody answers: the other paths would not either
  }
  missing(tried);
}

function show(path, apiPath) {
  window.SwaggerUIBundle({
    url: path,
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
    plugins: [
      () => ({
        statePlugins: {
          spec: { wrapActions: { updateJsonSpec: (next) => (spec) => next(onOneOrigin(spec, apiPath, location.host)) } },
        },
      }),
    ],
  });
}

main().catch((error) => tell(`This page failed: ${error.message}`, true));
