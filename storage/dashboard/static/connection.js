/* Whether the server answers. When it does not: a banner that tries again by itself. */

import { button, clear, el } from "./dom.js";

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 10_000;
const PROBE_TIMEOUT_MS = 4000;

let gone = false;
let timer = 0;
let pause = FIRST_RETRY_MS;
let waiting = [];
let pending = () => 0;

/** Tell the banner how many decisions wait to be sent. */
export function countsPending(counter) {
  pending = counter;
}

export const isGone = () => gone;

export function lost() {
  if (gone) return;
  gone = true;
  pause = FIRST_RETRY_MS;
  show();
  timer = setTimeout(probe, pause);
}

export function regained() {
  if (!gone) return;
  gone = false;
  clearTimeout(timer);
  const banner = document.getElementById("banner");
  banner.hidden = true;
  const released = waiting;
  waiting = [];
  for (const resolve of released) resolve();
}

/** Resolves when the server answers again; rejects when `signal` says that nobody waits any more. */
export function whenBack(signal) {
  if (!gone) return Promise.resolve();
  return new Promise((resolve, reject) => {
    waiting.push(resolve);
    signal?.addEventListener("abort", () => reject(new DOMException("not wanted any more", "AbortError")), { once: true });
  });
}

async function probe() {
  clearTimeout(timer);
  try {
    await fetch("/api/store", { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    regained();
  } catch {
    pause = Math.min(pause * 1.5, LONGEST_RETRY_MS);
    timer = setTimeout(probe, pause);
    show();
  }
}

function show() {
  const banner = document.getElementById("banner");
  const unsent = pending();
  const saved = unsent ? ` ${unsent === 1 ? "One decision waits" : `${unsent} decisions wait`} here and will be sent.` : "";
  clear(
    banner,
    el("span", {}, `The server does not answer. Trying again by itself; nothing is lost.${saved}`),
    button("Try now", probe),
  );
  banner.hidden = false;
}
