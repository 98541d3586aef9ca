/* Decisions: shown at once as "saving", sent one after the other, saved when the server says so.

   What is not saved yet lies in the tab's session storage, so that neither a server that is gone nor
   a reload loses it. A refusal takes the shown change back and says why. */

import { Gone, LOADING_RETRY_MS, pause, Refused, send } from "./api.js";
import { curator } from "./curator.js";
import { countsPending, whenBack } from "./connection.js";
import { plural, VERDICTS } from "./format.js";
import { isCopy } from "./tab.js";
import { tell } from "./toasts.js";

const STORED = "crossdiff-decisions";
const UNDO_DEPTH = 100;

/** Fires "change" whenever a motion's decision, or whether it is saved, has changed. */
export const decisions = new EventTarget();

const known = new Map(); // motion id -> what the server said last, and when
const shown = new Map(); // motion id -> what is shown while it is not saved
let queue = []; // not yet answered, oldest first
let done = []; // saved by this tab, newest last: what undo takes back
let sending = false;
let limits = { bulk: 5000 };

export function startDecisions(store) {
  limits = { ...limits, ...store.limits };
  countsPending(() => queue.length);
  restore();
  window.addEventListener("beforeunload", (event) => queue.length && event.preventDefault());
  goOn();
}

/* What waits was perhaps copied with the tab, and is sent by the first one. */
async function goOn() {
  const waited = [...queue];
  sending = waited.length > 0;
  const copied = await isCopy(newKey());
  if (!waited.length) return;
  if (copied) leave(waited);
  sending = false;
  work();
}

function leave(copies) {
  queue = queue.filter((entry) => !copies.includes(entry));
  shown.clear();
  queue.forEach(show);
  store();
  copies.forEach(changed);
  tell("What waited to be saved is sent by the tab that this one was copied from.");
}

export const unsaved = () => queue.length;
export const canUndo = () => done.length > 0 || queue.some((entry) => !entry.undoes);

/** A row as it is to be shown: with what was decided since it was fetched. */
export function asDecided(row) {
  const told = known.get(row.motion_id);
  const newer = told && told.told_ms >= (row.fetched_ms ?? 0) ? told.fields : {};
  const open = shown.get(row.motion_id);
  return { ...row, ...newer, ...(open?.fields ?? {}), saving: Boolean(open) };
}

/** Decide on motions; returns at once. `change` holds verdict, captions, split or note. */
export function decide(rows, change) {
  for (let at = 0; at < rows.length; at += limits.bulk) {
    const some = rows.slice(at, at + limits.bulk).map(asDecided);
    enqueue({
      key: newKey(),
      motion_ids: some.map((row) => row.motion_id),
      by: curator(),
      change,
      seen: Object.fromEntries(some.map((row) => [row.motion_id, row.decision_id ?? null])),
      before: Object.fromEntries(some.map((row) => [row.motion_id, fieldsOf(row)])),
    });
  }
}

/** Take this tab's last decision back. */
export function undo() {
  const open = queue.filter((entry) => !entry.undoes);
  const undone = new Set(queue.map((entry) => entry.undoes));
  const last = [...done, ...open].filter((entry) => !undone.has(entry.key)).at(-1);
  if (!last) return void tell("There is nothing of yours to undo in this tab.");
  enqueue({ key: newKey(), undoes: last.key, by: curator(), motion_ids: last.motion_ids, change: {}, before: last.before });
}

/* Not crypto's own UUIDs: browsers have those on this machine and over https alone. */
const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

function enqueue(entry) {
  queue.push(entry);
  show(entry);
  store();
  changed(entry);
  work();
}

function show(entry) {
  for (const id of entry.motion_ids) {
    const fields = entry.undoes ? entry.before[id] : { ...(shown.get(id)?.fields ?? {}), ...spoken(entry.change) };
    shown.set(id, { key: entry.key, fields });
  }
}

async function work() {
  if (sending) return;
  sending = true;
  while (queue.length) {
    const entry = queue[0];
    try {
      const answer = await submit(entry);
      queue.shift();
      settle(entry, answer);
    } catch (error) {
      if (error instanceof Gone || error.loading) {
        // Perhaps it was saved and only the answer was lost: the server looks before it adds another.
        if (error instanceof Gone) entry.again = true;
        store();
        changed(entry);
        await (error.loading ? pause(LOADING_RETRY_MS) : whenBack());
        continue;
      }
      queue.shift();
      refuse(entry, error);
    }
    store();
    changed(entry);
  }
  sending = false;
}

function submit(entry) {
  if (!entry.undoes) return send("decisions", { motion_ids: entry.motion_ids, ...entry.change, seen: entry.seen, by: entry.by, again: Boolean(entry.again) });
  const undone = done.find((each) => each.key === entry.undoes);
  if (!undone) throw new Refused(409, "What was to be undone had not been saved.");
  return send("undo", { decision_ids: undone.decision_ids, by: entry.by });
}

function settle(entry, answer) {
  const told_ms = performance.now();
  for (const id of entry.motion_ids) {
    const current = answer.current?.[id] ?? {};
    known.set(id, { told_ms, fields: settledFields(entry, id, current) });
    if (shown.get(id)?.key === entry.key) shown.delete(id);
    // What this tab says next of the motion is said knowing this.
    for (const next of queue) if (next.seen && id in next.seen) next.seen[id] = current.decision_id ?? next.seen[id];
  }
  const about = plural(entry.motion_ids.length, "motion");
  if (entry.undoes) {
    done = done.filter((each) => each.key !== entry.undoes);
    tell(`Undone on ${about}.`);
    return;
  }
  done = [...done, { ...entry, decision_ids: answer.decision_ids }].slice(-UNDO_DEPTH);
  tell(`Saved: ${changeText(entry.change)} on ${about}.`);
  const others = answer.decided_meanwhile ?? [];
  if (others.length) {
    const names = [...new Set(others.map((each) => each.by))].join(", ");
    tell(`${names} decided on ${plural(others.length, "of these motions", "of these motions")} meanwhile. `
      + "Yours came last and counts; the history shows both.", { strong: true });
  }
}

function settledFields(entry, id, current) {
  const effective = current.effective ?? {};
  const before = entry.before[id];
  return {
    verdict: current.verdict ?? null,
    captions: effective.captions ?? current.captions ?? entry.change.captions ?? before.captions,
    split: effective.split ?? current.split ?? entry.change.split ?? before.split,
    decided_by: current.by ?? null,
    decided_at: current.at ?? null,
    decision_id: current.decision_id ?? null,
  };
}

function refuse(entry, error) {
  for (const id of entry.motion_ids) if (shown.get(id)?.key === entry.key) shown.delete(id);
  tell(`Not saved (${plural(entry.motion_ids.length, "motion")}): ${error.message}`, { bad: true });
}

function changed(entry) {
  decisions.dispatchEvent(new CustomEvent("change", { detail: new Set(entry.motion_ids) }));
}

const spoken = ({ verdict, captions, split }) =>
  Object.fromEntries(Object.entries({ verdict, captions, split }).filter(([, value]) => value !== undefined));

const fieldsOf = ({ verdict, captions, split, decided_by, decided_at, decision_id }) =>
  ({ verdict: verdict ?? null, captions, split, decided_by, decided_at, decision_id });

export function changeText(change) {
  const said = [];
  if (change.verdict) said.push(VERDICTS[change.verdict] ?? change.verdict);
  if (change.captions) said.push("caption");
  if (change.split) said.push(`split ${change.split}`);
  if (change.note) said.push("note");
  return said.join(", ");
}

function store() {
  // What waits matters more than what could be undone; an older state that stayed would be sent again.
  for (let kept = done; ; kept = kept.slice(Math.ceil(kept.length / 2))) {
    try {
      return sessionStorage.setItem(STORED, JSON.stringify({ queue, done: kept }));
    } catch {
      if (!kept.length) break;
    }
  }
  try {
    sessionStorage.removeItem(STORED);
  } finally {
    tell("This browser keeps nothing for the tab: do not close it before all is saved.", { bad: true });
  }
}

function restore() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(STORED) ?? "{}");
    queue = kept.queue ?? [];
    done = kept.done ?? [];
  } catch {
    sessionStorage.removeItem(STORED);
  }
  if (queue.length) queue[0].again = true; // it may have been on its way
  for (const entry of queue) show(entry);
}
