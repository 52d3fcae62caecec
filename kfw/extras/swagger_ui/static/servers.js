// Where a description says that its API is, so that all of it is on the origin of this page: paths stay, hosts go.

/** The path of a server's URL, which may have variables: `{scheme}://api.example/v1` is /v1. */
export function pathOf(url) {
  const path = String(url).replace(/^([^/?#]*:)?\/\/[^/?#]*/, "");
  return path === "" ? "/" : path;
}

function local(servers) {
  const seen = new Set();
  return servers
    .filter((server) => server && typeof server.url === "string")
    .map((server) => ({ ...server, url: pathOf(server.url) }))
    .filter(({ url }) => !seen.has(url) && seen.add(url));
}

/** A copy of the description; `apiPath` and / can be chosen as servers, too, as behind a gateway its paths may be others. */
export function onOneOrigin(spec, apiPath, host) {
  if (!spec || typeof spec !== "object") return spec;
  if (spec.swagger) return { ...spec, host, schemes: ["http"] };
  const more = [apiPath ? `/${apiPath}` : null, "/"].filter(Boolean).map((url) => ({ url }));
  const servers = local([...(Array.isArray(spec.servers) ? spec.servers : []), ...more]);
  return { ...spec, servers, paths: withPaths(spec.paths) };
}

function withPaths(paths) {
  if (!paths || typeof paths !== "object") return paths;
  return mapped(paths, (item) => withServers(mapped(item, (operation) => withServers(operation))));
}

const withServers = (one) => (Array.isArray(one?.servers) ? { ...one, servers: local(one.servers) } : one);

function mapped(object, change) {
  if (!object || typeof object !== "object" || Array.isArray(object)) return object;
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}
