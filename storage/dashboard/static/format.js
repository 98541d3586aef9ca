/* Numbers, times and names as a person reads them. An unknown value is a dash, never a zero. */

export const UNKNOWN = "–";

export const count = (value) => (value === null || value === undefined ? UNKNOWN : Number(value).toLocaleString("en"));

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

export function fixed(value, digits, unit = "") {
  return typeof value === "number" && Number.isFinite(value) ? `${value.toFixed(digits)}${unit && ` ${unit}`}` : UNKNOWN;
}

export const metresAsMm = (value) => (typeof value === "number" ? `${Math.round(value * 1000)} mm` : UNKNOWN);

export function percent(value) {
  return typeof value === "number" ? `${Math.round(value * 100)} %` : UNKNOWN;
}

/** Seconds as 4.2 s, 3 min 20 s, 5.1 h. */
export function duration(seconds) {
  if (typeof seconds !== "number") return UNKNOWN;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** A player's time: 0:04.25. */
export function clockTime(seconds) {
  const whole = Math.max(seconds, 0);
  return `${Math.floor(whole / 60)}:${(whole % 60).toFixed(2).padStart(5, "0")}`;
}

/** An ISO time in the reader's own zone, short. */
export function when(iso) {
  if (!iso) return UNKNOWN;
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return UNKNOWN;
  const options = { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
  return time.toLocaleString("en-GB", options);
}

export const VERDICTS = { keep: "Keep", drop: "Drop", "needs-work": "Needs work" };
export const verdictText = (verdict) => VERDICTS[verdict] ?? "Undecided";

/** Enough of a hash to tell it from others. */
export const shortId = (text) => (text && text.length > 16 ? `${text.slice(0, 12)}…` : (text ?? UNKNOWN));

/** left_knee -> left knee. */
export const jointText = (name) => name.replaceAll("_", " ");
