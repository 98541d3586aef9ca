/* The server's answers. A server that is gone is waited for; a refusal is one sentence. */

import { lost, regained, whenBack } from "./connection.js";

/** The server answered and refused: `message` is its sentence. */
export class Refused extends Error {
  constructor(status, sentence, loading = false) {
    super(sentence);
    this.status = status;
    /** The store is being read for the first time: the same question has an answer soon. */
    this.loading = loading;
  }
}

/** No answer came. */
export class Gone extends Error {}

const BUSY = [502, 503, 504];
export const LOADING_RETRY_MS = 500;

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** GET as JSON. While the server is gone this waits, so that a page goes on by itself. */
export async function get(path, params = {}, { signal, wait = true } = {}) {
  const url = `/api/${path}${queryOf(params)}`;
  for (;;) {
    try {
      return await answered(url, { signal });
    } catch (error) {
      if (error instanceof Refused && error.loading) await pause(LOADING_RETRY_MS);
      else if (error instanceof Gone && wait) await whenBack(signal);
      else throw error;
    }
  }
}

/** POST or DELETE as JSON, once: whoever writes decides whether to say it again. */
export function send(path, body, { method = "POST", signal } = {}) {
  const headers = { "Content-Type": "application/json" };
  return answered(`/api/${path}`, { method, headers, body: JSON.stringify(body), signal });
}

export const thumbUrl = (id) => `/api/thumb?id=${encodeURIComponent(id)}`;
export const videoUrl = (id) => `/api/video?id=${encodeURIComponent(id)}`;

/* An empty value is said: it asks for what has none. */
function queryOf(params) {
  const said = Object.entries(params).filter(([, value]) => value !== null && value !== undefined);
  const query = new URLSearchParams(said).toString();
  return query && `?${query}`;
}

async function answered(url, options) {
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    lost();
    throw new Gone("The server does not answer.");
  }
  regained();
  if (answer.ok) return bodyOf(answer);
  throw await refusalOf(answer);
}

/* An answer that broke off says nothing: neither that something was saved nor that it was not. */
async function bodyOf(answer) {
  try {
    return await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    lost();
    throw new Gone("The server's answer broke off.");
  }
}

async function refusalOf(answer) {
  try {
    const said = await answer.json();
    if (typeof said.error === "string") return new Refused(answer.status, said.error, said.loading === true);
  } catch {
    // Not JSON: something before the dashboard answered. The status says what there is to say.
  }
  const sentence = BUSY.includes(answer.status) ? "The server is busy: try again in a moment." : `The server answered with status ${answer.status}.`;
  return new Refused(answer.status, sentence);
}
