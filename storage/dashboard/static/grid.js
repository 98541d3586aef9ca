/* The grid: any number of motions, only those on the screen in the document. */

import { thumbUrl } from "./api.js";
import { asDecided, decisions } from "./decide.js";
import { el } from "./dom.js";
import { fixed, percent, verdictText } from "./format.js";
import { dropPicture, fetchPicture } from "./pictures.js";
import { address } from "./router.js";

const CARD_PX = 208;
const NARROW_CARD_PX = 164;
const ROW_PX = 252;
const NARROW_ROW_PX = 226;
const GAP_PX = 12;
const AHEAD_ROWS = 2;
/* Pictures are asked for when the scrolling rests, not for every card that flies by. */
const REST_MS = 90;

/** Fills `place` with the list's motions and keeps it so. `onopen(row, index)`; returns the handle. */
export function startGrid(place, list) {
  const cells = new Map(); // index -> cell
  let columns = 1;
  let width = CARD_PX;
  let height = ROW_PX;
  let resting = 0;
  let lastToggled = 0;
  const ending = new AbortController();
  const { signal } = ending;

  const measure = () => {
    const room = place.clientWidth;
    const narrow = room < 700;
    const least = narrow ? NARROW_CARD_PX : CARD_PX;
    height = narrow ? NARROW_ROW_PX : ROW_PX;
    columns = Math.max(1, Math.floor((room + GAP_PX) / (least + GAP_PX)));
    width = (room - GAP_PX * (columns - 1)) / columns;
    draw(true);
  };

  const range = () => {
    const top = place.getBoundingClientRect().top;
    const first = Math.max(Math.floor(-top / height) - AHEAD_ROWS, 0) * columns;
    const last = (Math.ceil((window.innerHeight - top) / height) + AHEAD_ROWS) * columns - 1;
    return [first, Math.min(last, (list.total ?? 0) - 1)];
  };

  function draw(moved = false) {
    place.style.height = `${Math.ceil((list.total ?? 0) / columns) * height}px`;
    const [first, last] = range();
    list.need(first, Math.max(last, first));
    for (const [index, cell] of cells) {
      const gone = index < first || index > last || (cell.row && cell.row !== list.rows[index]);
      if (gone && !(cell.node.contains(document.activeElement) && index < (list.total ?? 0) && cell.row === list.rows[index])) {
        discard(cell);
        cells.delete(index);
      }
    }
    for (let index = first; index <= last; index++) {
      const row = list.rows[index];
      let cell = cells.get(index);
      if (cell && !cell.row && row) {
        discard(cell);
        cell = null;
      }
      if (!cell) {
        cell = { row, node: row ? card(row, index) : blank() };
        cells.set(index, cell);
        insert(index, cell.node);
        put(cell.node, index);
      } else if (moved) put(cell.node, index);
    }
    clearTimeout(resting);
    resting = setTimeout(showPictures, REST_MS);
  }

  function discard(cell) {
    const picture = cell.node.querySelector("img");
    if (picture) dropPicture(picture);
    cell.node.remove();
  }

  /* In reading order, for whoever walks with the Tab key or listens. */
  function insert(index, node) {
    let next = null;
    let nearest = Infinity;
    for (const [other, cell] of cells) {
      if (other > index && other < nearest && cell.node.isConnected) [next, nearest] = [cell.node, other];
    }
    place.insertBefore(node, next);
  }

  function put(node, index) {
    const left = (index % columns) * (width + GAP_PX);
    node.style.transform = `translate(${left}px, ${Math.floor(index / columns) * height}px)`;
    node.style.width = `${width}px`;
    node.style.height = `${height - GAP_PX}px`;
    node.setAttribute("aria-posinset", index + 1);
    node.setAttribute("aria-setsize", list.total);
  }

  function card(row, index) {
    const shown = asDecided(row);
    const picture = el("img", { alt: "", width: 240, height: 180, data: { src: thumbUrl(row.motion_id) }, decoding: "async" });
    picture.addEventListener("error", () => picture.hasAttribute("src") && picture.replaceWith(el("span", { class: "no-picture" }, "no picture")));
    const name = `${row.action ?? "Motion"}, ${fixed(row.seconds, 1, "seconds")}, ${verdictText(shown.verdict)}`;
    const box = el("input", { type: "checkbox", checked: list.selected.has(row.motion_id), "aria-label": `Select ${name}` });
    box.addEventListener("click", (event) => {
      if (event.shiftKey) list.toggleRange(lastToggled, index, box.checked);
      else list.toggle(row, box.checked);
      lastToggled = index;
    });
    const caption = shown.captions?.[0] ?? "";
    return el(
      "li", { class: "cell", data: { id: row.motion_id, verdict: shown.verdict ?? "" } },
      el("a", { class: "cell-link", href: address("motion", { id: row.motion_id, ...list.query }), "aria-label": `${name}. ${caption}` },
        el("span", { class: "picture" }, picture, verdictMark(shown)),
        el("span", { class: "cell-title" }, row.action ?? el("span", { class: "quiet" }, "no class")),
        el("span", { class: "cell-caption" }, caption || "no caption"),
        el("span", { class: "cell-facts" },
          el("span", {}, fixed(row.seconds, 1, "s")), (row.source_kind === "mocap" || row.view_name) && el("span", {}, row.source_kind === "mocap" ? "mocap" : row.view_name),
          el("span", {}, shown.split ?? "no split"), scoreChip(row))),
      el("label", { class: "cell-check" }, box),
    );
  }

  const blank = () => el("li", { class: "cell blank", "aria-hidden": "true" });

  function showPictures() {
    for (const { node } of cells.values()) {
      const picture = node.querySelector("img[data-src]");
      if (picture) fetchPicture(picture);
    }
  }

  function refresh(ids) {
    for (const [index, cell] of cells) {
      if (!cell.row || (ids && !ids.has(cell.row.motion_id))) continue;
      const focused = cell.node.contains(document.activeElement) ? document.activeElement.tagName : null;
      const fresh = card(cell.row, index);
      const picture = cell.node.querySelector(".picture > img");
      if (picture) fresh.querySelector("img").replaceWith(picture);
      cell.node.replaceWith(fresh);
      cell.node = fresh;
      put(fresh, index);
      if (focused) fresh.querySelector(focused === "INPUT" ? "input" : "a").focus({ preventScroll: true });
    }
  }

  /** Move the keyboard's place to a motion, scrolling only when it is out of sight. */
  async function focus(index) {
    if (!list.total) return;
    const target = Math.min(Math.max(index, 0), list.total - 1);
    await list.need(target, target);
    const top = place.getBoundingClientRect().top + Math.floor(target / columns) * height;
    const bar = document.querySelector("header.top").offsetHeight + 60;
    if (top < bar) window.scrollBy({ top: top - bar });
    else if (top + height > window.innerHeight - 70) window.scrollBy({ top: top + height - window.innerHeight + 80 });
    draw();
    list.at = target;
    cells.get(target)?.node.querySelector("a")?.focus({ preventScroll: true });
  }

  place.addEventListener("focusin", (event) => {
    const node = event.target.closest(".cell");
    for (const [index, cell] of cells) if (cell.node === node) list.at = index;
  }, { signal });
  let frame = 0;
  window.addEventListener("scroll", () => {
    list.scroll = window.scrollY;
    frame ||= requestAnimationFrame(() => { frame = 0; draw(); });
  }, { passive: true, signal });
  list.addEventListener("change", () => draw(true), { signal });
  list.addEventListener("select", () => refresh(null), { signal });
  decisions.addEventListener("change", (event) => refresh(event.detail), { signal });
  const watcher = new ResizeObserver(measure);
  watcher.observe(place);
  measure();
  return {
    focus,
    columns: () => columns,
    close: () => { ending.abort(); cells.forEach(discard); watcher.disconnect(); clearTimeout(resting); },
  };
}

function verdictMark(shown) {
  if (!shown.verdict && !shown.saving) return null;
  const text = shown.saving ? `${shown.verdict ? verdictText(shown.verdict) : "…"} · saving` : verdictText(shown.verdict);
  return el("span", { class: `mark ${shown.verdict ?? ""}${shown.saving ? " saving" : ""}` }, text);
}

function scoreChip(row) {
  if (typeof row.label_score !== "number") return null;
  const tone = row.label_score >= 0.5 ? "good" : row.label_score >= 0.3 ? "warn" : "bad";
  return el("span", { class: `score ${tone}`, title: "Trust in the label, 0 to 100 %" }, percent(row.label_score));
}
