/* Browse: filters, search, sort, the grid, and decisions on a selection. */

import { get } from "./api.js";
import { decide, decisions } from "./decide.js";
import { button, clear, el, emptyState, errorState, field, loadingState, select } from "./dom.js";
import { clearChips, filterForm, SORTS } from "./filters.js";
import { count, plural } from "./format.js";
import { startGrid } from "./grid.js";
import { FILTERS, listOf, queryOf } from "./motion_list.js";
import { address, go } from "./router.js";
import { bindKeys } from "./shortcuts.js";
import { tell } from "./toasts.js";

const TYPING_MS = 200;
const FACETS_AFTER_MS = 400;
const IDLE_BY_MS = 3000;

/* Whoever sees the grid will open a motion: what that needs is fetched before it is asked for. */
function fetchViewer() {
  const fetchNow = () => import("./skeleton3d.js").catch(() => null);
  if (window.requestIdleCallback) requestIdleCallback(fetchNow, { timeout: IDLE_BY_MS });
  else setTimeout(fetchNow, IDLE_BY_MS);
}

export function open(place, params, store) {
  const ending = new AbortController();
  let now = params;
  let list = null;
  let grid = null;
  let facetsFor = null;
  let facetsTimer = 0;

  // Always in one order, so that what is said twice is one step for the back button.
  const set = (change, options) => go("browse", queryOf({ ...now, ...change }), options);
  const search = el("input", { type: "search", placeholder: "Search captions, class, id", "aria-label": "Search captions, class, id", maxlength: 200 });
  const sort = select(SORTS, "", { onchange: () => {
    const [by = "", order = ""] = sort.value.split(" ");
    set({ sort: by, order });
  } });
  const total = el("p", { class: "total", role: "status" });
  const chips = el("div", { class: "chips" });
  const filters = el("div", { class: "filter-place" });
  const cells = el("ul", { class: "grid", role: "list", "aria-label": "Motions" });
  const instead = el("div", {});
  const bulk = el("div", { class: "bulk", hidden: true, role: "region", "aria-label": "Selection" });
  const folded = el("details", { class: "filters", open: innerWidth > 800 }, el("summary", {}, "Filters"), filters);
  clear(place, el("div", { class: "browse" }, folded, el("div", { class: "results" },
    el("h1", { class: "hidden" }, "Browse motions"),
    el("div", { class: "toolbar" }, search, field("Sort", sort), total), chips, instead, cells, bulk)));

  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => set({ q: search.value.trim() }, { replace: Boolean(now.q) }), TYPING_MS);
  });

  function update(next) {
    now = next;
    const asked = listOf(queryOf(next));
    if (document.activeElement !== search) search.value = next.q ?? "";
    sort.value = [next.sort, next.order].filter(Boolean).join(" ");
    clearChips(chips, next, set);
    if (next.focus === "search") {
      search.focus();
      history.replaceState(null, "", address("browse", queryOf(next)));
    }
    if (asked !== list) show(asked);
    fillFacets();
  }

  function show(asked) {
    grid?.close();
    list = asked;
    clear(cells);
    grid = startGrid(cells, list);
    list.addEventListener("change", showTotal, { signal: ending.signal });
    list.addEventListener("select", showBulk, { signal: ending.signal });
    showTotal();
    showBulk();
    if (list.scroll || list.at >= 0) restore();
  }

  function restore() {
    window.scrollTo(0, list.scroll);
    if (list.at >= 0) grid.focus(list.at);
  }

  function showTotal() {
    cells.setAttribute("aria-busy", String(list.total === null));
    total.textContent = list.total === null ? "" : plural(list.total, "motion");
    if (list.error) clear(instead, errorState(list.error.message, () => list.reload()));
    else if (list.total === null) clear(instead, loadingState());
    else if (list.total === 0) clear(instead, nothing());
    else clear(instead);
  }

  function nothing() {
    if (!FILTERS.some((name) => now[name])) return emptyState("This store holds no motions yet.", "crossdiff ingest VIDEOS --dataset NAME --out STORE brings them.");
    return emptyState("No motion fits these filters.", null, button("Remove all filters", () => go("browse")));
  }

  async function fillFacets() {
    const { dataset } = now;
    const draw = (facets) => {
      const focused = filters.contains(document.activeElement) ? document.activeElement.name : null;
      clear(filters, filterForm(facets, now, set), now.dataset || FILTERS.some((name) => now[name]) ? button("Remove all filters", () => go("browse")) : null);
      if (focused) filters.querySelector(`[name="${CSS.escape(focused)}"]`)?.focus();
    };
    if (facetsFor && facetsFor.dataset === dataset) return draw(facetsFor.facets);
    try {
      const facets = await get("facets", { dataset }, { signal: ending.signal });
      facetsFor = { dataset, facets };
      draw(facets);
    } catch (error) {
      if (error.name !== "AbortError") clear(filters, errorState(error.message, fillFacets));
    }
  }

  function showBulk() {
    const number = list.selected.size;
    bulk.hidden = number === 0;
    if (!number) return;
    const split = select([["", "Split…"], ["train", "train"], ["val", "val"], ["test", "test"]], "", { "aria-label": "Change the split of the selection",
      onchange: () => split.value && act({ split: split.value }) });
    const reach = Math.min(list.total, store.limits?.bulk ?? list.total);
    clear(bulk, el("strong", { "aria-live": "polite" }, `${count(number)} selected`),
      !store.readonly && [["Keep", "keep", "a"], ["Drop", "drop", "d"], ["Needs work", "needs-work", "w"]].map(([text, verdict, key]) =>
        button([text, " ", el("kbd", { "aria-hidden": "true" }, key)], () => act({ verdict }), { class: `verdict ${verdict}`, "aria-label": `${text}: selection`, "aria-keyshortcuts": key })),
      !store.readonly && split,
      number === 2 && button(["Compare ", el("kbd", { "aria-hidden": "true" }, "b")], compareTwo, { "aria-keyshortcuts": "b" }),
      number < reach && button(`Select all ${count(reach)}`, selectAll),
      button("Clear", () => list.unselect()));
  }

  function compareTwo() {
    const [one, other] = [...list.selected.values()];
    if (list.selected.size !== 2) return void tell("Select two motions to compare them: j and k move, x selects.");
    go("compare", { a: one.motion_id, b: other.motion_id });
  }

  async function selectAll() {
    const reach = Math.min(list.total, store.limits?.bulk ?? list.total);
    tell(`Selecting ${plural(reach, "motion")}…`);
    await list.selectAll(reach);
  }

  /* On the selection when there is one, else on the motion that has the keyboard. */
  function act(change) {
    const chosen = list.selected.size ? [...list.selected.values()] : [list.rows[list.at]].filter(Boolean);
    if (store.readonly) return void tell("This store is read only here: nothing can be decided.", { bad: true });
    if (!chosen.length) return void tell("Select a motion first: j and k move, x selects.");
    decide(chosen, change);
    if (!list.selected.size && change.verdict) grid.focus(list.at + 1);
  }

  const openAt = (index, extra = {}) => list.rows[index] && go("motion", { id: list.rows[index].motion_id, ...list.query, ...extra });
  const cellKeys = {
    j: () => grid.focus(list.at + 1), k: () => grid.focus(Math.max(list.at - 1, 0)),
    a: () => act({ verdict: "keep" }), d: () => act({ verdict: "drop" }), w: () => act({ verdict: "needs-work" }),
    e: () => openAt(list.at, { edit: "caption" }), Enter: () => openAt(list.at), x: () => list.rows[list.at] && list.toggle(list.rows[list.at]),
    b: compareTwo, "/": () => search.focus(), Escape: () => list.unselect(),
  };
  for (const [key, step] of [["ArrowRight", () => 1], ["ArrowLeft", () => -1], ["ArrowDown", () => grid.columns()], ["ArrowUp", () => -grid.columns()]]) {
    cellKeys[key] = () => list.at >= 0 ? grid.focus(list.at + step()) : grid.focus(0);
  }
  bindKeys(cellKeys);
  decisions.addEventListener("change", () => {
    clearTimeout(facetsTimer);
    facetsTimer = setTimeout(() => { facetsFor = null; fillFacets(); }, FACETS_AFTER_MS);
  }, { signal: ending.signal });
  update(params);
  list.addEventListener("change", fetchViewer, { once: true, signal: ending.signal });
  return { update, close: () => { ending.abort(); grid?.close(); clearTimeout(typing); clearTimeout(facetsTimer); } };
}

