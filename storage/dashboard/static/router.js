/* The address holds the state: `#/page?filters`. Back, forward and sent links show the same again. */

/** The page's name and its parameters (a plain object of strings) of an address. */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  return { page: path || "overview", params: Object.fromEntries(new URLSearchParams(query)) };
}

/** The address of a page; empty parameters are left out. */
export function address(page, params = {}) {
  const said = Object.entries(params).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const query = new URLSearchParams(said).toString();
  return `#/${page === "overview" ? "" : page}${query && `?${query}`}`;
}

export const here = () => parse(location.hash);

/** Go to a page; with `replace` the step does not count for the back button (typing in a search). */
export function go(page, params = {}, { replace = false } = {}) {
  const target = address(page, params);
  if (target === (location.hash || "#/")) return;
  if (replace) {
    history.replaceState(null, "", target);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = target;
  }
}
