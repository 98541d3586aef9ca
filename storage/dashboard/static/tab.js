/* A duplicated tab begins with a copy of what the first one keeps: only one of them may send it. */

const KEY = "crossdiff-tab";
/* How long the first tab may take to say that it is there. */
const ANSWER_MS = 500;

/** Whether this tab is the copy of one that is still open; then it goes on under `newName`. */
export async function isCopy(newName) {
  let name = newName;
  try {
    const kept = sessionStorage.getItem(KEY);
    const copied = kept !== null && await isOpen(kept);
    if (kept !== null && !copied) name = kept;
    sessionStorage.setItem(KEY, name);
    answerTo(name);
    return copied;
  } catch {
    return false; // nothing is kept for this tab, so that nothing was copied
  }
}

function isOpen(name) {
  const channel = new BroadcastChannel(KEY);
  return new Promise((resolve) => {
    setTimeout(() => resolve(false), ANSWER_MS);
    channel.addEventListener("message", ({ data }) => data.open === name && resolve(true));
    channel.postMessage({ asked: name });
  }).finally(() => channel.close());
}

function answerTo(name) {
  const channel = new BroadcastChannel(KEY);
  channel.addEventListener("message", ({ data }) => data.asked === name && channel.postMessage({ open: name }));
}
