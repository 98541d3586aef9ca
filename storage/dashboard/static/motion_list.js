/* The list that the filters describe, fetched page by page as somebody looks, and the selection in it.

   One list is kept: the grid shows it, the viewer steps through it, coming back finds it as it was. */

import { get } from "./api.js";
import { asDecided } from "./decide.js";

export const PAGE_ROWS = 100;
export const FILTERS = [
  "dataset", "action", "split", "source_kind", "view", "visible", "verdict", "min_score", "max_score",
  "min_reprojection", "max_reprojection", "min_seconds", "max_seconds", "min_skating", "max_skating",
  "min_coverage", "max_coverage", "q", "sort", "order",
];

/** In an address: motions that have no such value. */
export const WITHOUT = "(none)";

let kept = null;

/** What of an address's parameters describes a list. */
export function queryOf(params) {
  return Object.fromEntries(FILTERS.filter((name) => params[name]).map((name) => [name, params[name]]));
}

/* The server reads an empty value as "has none"; an address cannot hold one. */
const asked = (query) => Object.fromEntries(Object.entries(query).map(([name, value]) => [name, value === WITHOUT ? "" : value]));

/** The list of a query; the kept one when it is of the same query. */
export function listOf(query) {
  const name = JSON.stringify(query);
  if (kept?.name !== name) {
    kept?.close();
    kept = new MotionList(name, query);
  }
  return kept;
}

export class MotionList extends EventTarget {
  constructor(name, query) {
    super();
    this.name = name;
    this.query = query;
    this.total = null;
    this.error = null;
    this.rows = [];
    this.selected = new Map();
    this.scroll = 0;
    this.at = -1;
    this.asked = new Set();
    this.ending = new AbortController();
  }

  close() {
    this.ending.abort();
  }

  /** Rows from `first` up to `last`, fetched where they are not here yet. */
  async need(first, last) {
    const pages = [];
    for (let page = Math.floor(Math.max(first, 0) / PAGE_ROWS); page * PAGE_ROWS <= last; page++) {
      const beyond = this.total !== null && page > 0 && page * PAGE_ROWS >= this.total;
      if (!this.asked.has(page) && !beyond) pages.push(page);
    }
    await Promise.all(pages.map((page) => this.fetchPage(page)));
  }

  async fetchPage(page) {
    this.asked.add(page);
    const fetched_ms = performance.now();
    const offset = Math.max(page * PAGE_ROWS - this.leftBefore(page * PAGE_ROWS), 0);
    try {
      const answer = await get("motions", { ...asked(this.query), offset, limit: PAGE_ROWS }, { signal: this.ending.signal });
      if (this.total === null) this.total = answer.total;
      this.error = null;
      answer.rows.forEach((row, n) => { this.rows[page * PAGE_ROWS + n] = { ...row, fetched_ms }; });
      // What others changed meanwhile may leave fewer rows than were promised.
      const end = page * PAGE_ROWS + answer.rows.length;
      if (answer.rows.length < PAGE_ROWS && end < this.total) this.total = end;
    } catch (error) {
      this.asked.delete(page);
      if (error.name === "AbortError") return;
      this.error = error;
    }
    this.dispatchEvent(new Event("change"));
  }

  /** How many rows before an index a decision took out of this list's filter: the server counts without them. */
  leftBefore(index) {
    const { verdict, split } = this.query;
    if (!verdict && !split) return 0;
    let left = 0;
    for (let at = 0; at < index; at++) {
      const row = this.rows[at] && asDecided(this.rows[at]);
      if (!row) continue;
      const fits = (!verdict || (row.verdict ?? "none") === verdict) && (!split || row.split === split);
      if (!fits && !row.saving) left += 1;
    }
    return left;
  }

  indexOf(id) {
    return this.rows.findIndex((row) => row?.motion_id === id);
  }

  toggle(row, on = !this.selected.has(row.motion_id)) {
    if (on) this.selected.set(row.motion_id, row);
    else this.selected.delete(row.motion_id);
    this.dispatchEvent(new Event("select"));
  }

  /** Select all that lies between two indices and has been fetched. */
  toggleRange(from, to, on) {
    for (let at = Math.min(from, to); at <= Math.max(from, to); at++) {
      if (this.rows[at]) this.toggle(this.rows[at], on);
    }
  }

  /** Select every motion of the list, as far as one decision may reach; returns how many. */
  async selectAll(most) {
    const until = Math.min(this.total ?? 0, most);
    for (let at = 0; at < until && !this.error; at += PAGE_ROWS) await this.need(at, at);
    for (let at = 0; at < until; at++) if (this.rows[at]) this.selected.set(this.rows[at].motion_id, this.rows[at]);
    this.dispatchEvent(new Event("select"));
    return this.selected.size;
  }

  unselect() {
    this.selected.clear();
    this.dispatchEvent(new Event("select"));
  }

  /** Fetch again from the start: what was decided may have changed what belongs here. */
  reload() {
    this.ending.abort();
    this.ending = new AbortController();
    this.rows = [];
    this.asked.clear();
    this.total = null;
    this.error = null;
    this.at = -1;
    this.dispatchEvent(new Event("change"));
  }
}
