/* Light, dark, or what the system has. */

const ORDER = ["auto", "light", "dark"];
const TEXT = { auto: "Colours: as the system", light: "Colours: light", dark: "Colours: dark" };
const SIGN = { auto: "◐", light: "○", dark: "●" };
const KEY = "crossdiff-theme";

export function startTheme(toggle) {
  let chosen = remembered();
  const apply = () => {
    if (chosen === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    toggle.textContent = SIGN[chosen];
    toggle.setAttribute("aria-label", TEXT[chosen]);
    toggle.title = TEXT[chosen];
    window.dispatchEvent(new Event("themechange"));
  };
  toggle.addEventListener("click", () => {
    chosen = ORDER[(ORDER.indexOf(chosen) + 1) % ORDER.length];
    localStorage.setItem(KEY, chosen);
    apply();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  apply();
}

function remembered() {
  const said = localStorage.getItem(KEY);
  return ORDER.includes(said) ? said : "auto";
}

/** A colour of the style sheet, for canvases. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
