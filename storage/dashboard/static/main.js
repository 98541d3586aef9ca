/* Starts the dashboard: the store, the pages, and which of them is open. */

import { get, LOADING_RETRY_MS, pause, Refused } from "./api.js";
import { lost, whenBack } from "./connection.js";
import { startCurator } from "./curator.js";
import { canUndo, decisions, startDecisions, undo, unsaved } from "./decide.js";
import { clear, el, errorState } from "./dom.js";
import { address, go, here } from "./router.js";
import { bindKeys, showHelp, startShortcuts } from "./shortcuts.js";
import { startTheme } from "./theme.js";
import { tell } from "./toasts.js";

const PAGES = {
  overview: { title: "Overview", load: () => import("./overview.js") },
  browse: { title: "Browse", load: () => import("./browse.js") },
  failures: { title: "Failures", load: () => import("./failures.js") },
  ask: { title: "Ask", load: () => import("./ask.js") },
  activity: { title: "Activity", load: () => import("./activity.js") },
  motion: { title: "Motion", load: () => import("./look.js"), within: "browse" },
  compare: { title: "Compare", load: () => import("./compare.js"), within: "browse" },
};

const RESTARTED = "crossdiff-restarted";
const RESTART_PAUSE_MS = 20_000;
const IDLE_BY_MS = 3000;

let open = null; // {name, handle}
let turn = 0;

/* What a page opened by its own link shows last is the longest to load: asked for first of all. */
const SHOWS_3D = ["motion", "compare"];

/* Not `in`: every object has a `constructor`. */
const isPage = (name) => Object.hasOwn(PAGES, name);

async function start() {
  const { page } = here();
  if (isPage(page)) PAGES[page].load().catch(() => null);
  if (SHOWS_3D.includes(page)) import("./skeleton3d.js").catch(() => null);
  startTheme(document.getElementById("theme"));
  document.getElementById("help").addEventListener("click", showHelp);
  document.getElementById("undo").addEventListener("click", undo);
  document.getElementById("skip").addEventListener("click", skipToContent);
  const main = document.getElementById("main");
  try {
    const store = await get("store");
    startCurator(store, document.getElementById("curator"));
    startDecisions(store);
    document.getElementById("store-name").textContent = store.title ?? store.url.split("/").filter(Boolean).at(-1);
    document.getElementById("store-name").title = store.url;
    decisions.addEventListener("change", showSaving);
    showSaving();
    startShortcuts({ "?": showHelp, u: undo, "/": () => go("browse", { ...listed(), focus: "search" }) });
    // The grid finds its own place again; the browser's guess comes before there is anything to scroll.
    history.scrollRestoration = "manual";
    window.addEventListener("hashchange", () => route(store));
    await route(store);
    fetchPages();
  } catch (error) {
    const again = error instanceof Refused && error.status === 401 ? null : () => location.reload();
    clear(main, errorState(error.message, again, true));
  }
}

/** The filters of the list that a motion was opened from stay when one goes back to it. */
function listed() {
  const { page, params } = here();
  return page === "browse" ? params : {};
}

async function route(store) {
  const { page, params } = here();
  const name = isPage(page) ? page : "overview";
  if (name !== page && page) tell(`There is no page “${page}”: this is the overview.`);
  showPages(name);
  if (open?.name === name && open.handle.update) return void open.handle.update(params);
  const mine = ++turn;
  open?.handle.close?.();
  open = null;
  bindKeys({});
  const main = document.getElementById("main");
  try {
    const module = await loaded(PAGES[name].load);
    if (mine !== turn) return;
    clear(main);
    document.title = `${PAGES[name].title} – CrossDiff`;
    window.scrollTo(0, 0);
    open = { name, handle: module.open(main, params, store) };
    if (document.activeElement === document.body) main.focus({ preventScroll: true });
  } catch (error) {
    if (mine === turn) clear(main, errorState(`This page could not be loaded: ${error.message}`, () => location.reload(), true));
  }
}

/* A page's module. A browser keeps in mind that one could not be fetched, so that when the server is
   back only a fresh start helps; the decisions that wait are saved before it. */
async function loaded(load) {
  try {
    return await load();
  } catch (error) {
    lost();
    await whenBack();
    while (unsaved()) await pause(LOADING_RETRY_MS);
    const last = Number(sessionStorage.getItem(RESTARTED) ?? 0);
    if (Date.now() - last < RESTART_PAUSE_MS) throw error;
    sessionStorage.setItem(RESTARTED, String(Date.now()));
    location.reload();
    return new Promise(() => {});
  }
}

/* All pages while nothing else is to be done: then they open even when the server has gone. */
function fetchPages() {
  const fetchNow = () => Promise.all(Object.values(PAGES).map((page) => page.load())).catch(() => null);
  if (window.requestIdleCallback) requestIdleCallback(fetchNow, { timeout: IDLE_BY_MS });
  else setTimeout(fetchNow, IDLE_BY_MS);
}

function showPages(name) {
  const current = PAGES[name].within ?? name;
  const links = Object.entries(PAGES).filter(([, page]) => !page.within).map(([each, page]) => el(
    "li", {}, el("a", { href: address(each), "aria-current": each === current && "page" }, page.title),
  ));
  const list = document.getElementById("pages");
  const focused = list.contains(document.activeElement) ? document.activeElement.textContent : null;
  clear(list, links);
  if (focused) [...list.querySelectorAll("a")].find((link) => link.textContent === focused)?.focus();
}

function showSaving() {
  const waiting = unsaved();
  const sign = document.getElementById("saving");
  sign.hidden = waiting === 0;
  sign.textContent = waiting ? `Saving ${waiting}…` : "";
  document.getElementById("undo").hidden = !canUndo();
}

/* The address holds the page, so the skip link cannot be an ordinary `#main`. */
function skipToContent(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

start();
