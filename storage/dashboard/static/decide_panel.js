/* Decide on one motion: verdict, captions, split, note, and what was decided before. */

import { asDecided, decide, decisions } from "./decide.js";
import { button, clear, el, field, select } from "./dom.js";
import { verdictText, when } from "./format.js";
import { historyList } from "./history.js";

/* What was typed and not saved, by motion: going on to the next one loses none of it. */
const drafts = new Map();
const VERDICT_KEYS = [["Keep", "keep", "a"], ["Drop", "drop", "d"], ["Needs work", "needs-work", "w"]];

/** `row` is the motion's; `afterVerdict()` is called when a key or button gave one. */
export function decidePanel(row, store, { signal, afterVerdict = () => {} }) {
  const state = el("p", { class: "decision-state", role: "status" });
  const verdicts = el("div", { class: "verdicts", role: "group", "aria-label": "Verdict" }, VERDICT_KEYS.map(([text, value, key]) =>
    button([text, " ", el("kbd", { "aria-hidden": "true" }, key)], () => verdict(value), {
      class: `verdict ${value}`, "aria-keyshortcuts": key, "aria-label": text, disabled: store.readonly, data: { verdict: value },
    })));
  const history = el("div", {});
  const { caption_chars, captions: most, note_chars } = store.limits;
  const captions = el("textarea", { rows: 4, maxlength: caption_chars * most, "aria-describedby": "caption-hint" });
  const note = el("input", { type: "text", maxlength: note_chars, placeholder: "Why, for the next person" });
  const saveCaptions = button("Save captions", () => saveText(), { class: "primary" });
  const revert = button("Revert", () => { captions.value = captionText(); textChanged(); }, { class: "plain" });
  const split = select([], "");
  const unsaved = el("p", { class: "notice hint", hidden: true }, "These captions are not saved yet; they stay here until they are.");

  const now = () => asDecided(row);
  const captionText = () => (now().captions ?? []).join("\n");
  const writtenCaptions = () => captions.value.split("\n").map((line) => line.trim()).filter(Boolean);

  /* Said before it is sent: what the server refuses would be gone from the field. */
  function wrongWith(written) {
    if (!written.length) return "A motion keeps at least one caption.";
    if (written.length > most) return `A motion has at most ${most} captions.`;
    if (written.some((line) => line.length > caption_chars)) return `A caption has at most ${caption_chars} characters.`;
    return "";
  }
  function act(change) {
    decide([row], note.value.trim() ? { ...change, note: note.value.trim() } : change);
    note.value = "";
  }
  function verdict(value) {
    if (store.readonly) return;
    act({ verdict: value });
    afterVerdict(value);
  }
  function saveText() {
    const written = writtenCaptions();
    const wrong = wrongWith(written);
    if (wrong) {
      captions.setCustomValidity(wrong);
      captions.reportValidity();
      return;
    }
    if (written.join("\n") !== captionText()) act({ captions: written });
    captions.blur();
    textChanged();
  }
  function textChanged() {
    captions.setCustomValidity("");
    const same = writtenCaptions().join("\n") === captionText();
    if (same) drafts.delete(row.motion_id);
    else drafts.set(row.motion_id, captions.value);
    unsaved.hidden = same;
    saveCaptions.disabled = same || store.readonly;
    revert.hidden = same;
  }
  captions.addEventListener("input", textChanged);
  captions.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) saveText();
    else if (event.key === "Escape") { captions.value = captionText(); captions.blur(); textChanged(); event.preventDefault(); }
  });
  note.addEventListener("keydown", (event) => { if (event.key === "Enter" && note.value.trim()) act({}); });
  split.addEventListener("change", () => split.value && act({ split: split.value }));

  function show() {
    const shown = now();
    for (const each of verdicts.children) each.setAttribute("aria-pressed", String(shown.verdict === each.dataset.verdict));
    state.className = `decision-state${shown.saving ? " saving" : ""}`;
    state.textContent = stateText(shown);
    if (document.activeElement !== captions && saveCaptions.disabled !== false) captions.value = captionText();
    clear(split, [["", "not assigned"], ["train", "train"], ["val", "val"], ["test", "test"]].map(([value, text]) =>
      el("option", { value, selected: (shown.split ?? "") === value, disabled: value === "" }, text)));
    split.disabled = captions.disabled = note.disabled = Boolean(store.readonly);
  }

  const node = el(
    "section", { class: "card decide", "aria-label": "Decide" },
    el("h2", {}, "Decide"), store.readonly && el("p", { class: "notice" }, "This store is read only here: decisions cannot be saved."), verdicts, state,
    field("Captions", captions), el("p", { class: "quiet hint", id: "caption-hint" }, "One a line. ", el("kbd", {}, "e"), " edits, ", el("kbd", {}, "Ctrl Enter"), " saves, ", el("kbd", {}, "Esc"), " reverts."),
    unsaved, el("div", { class: "row" }, saveCaptions, revert), field("Split", split),
    field("Note", note), el("p", { class: "quiet hint" }, "Goes with the next decision; Enter saves it alone."),
    el("h3", {}, "History"), history,
  );
  captions.value = drafts.get(row.motion_id) ?? captionText();
  textChanged();
  show();
  decisions.addEventListener("change", (event) => { if (event.detail.has(row.motion_id)) { show(); textChanged(); } }, { signal });
  return {
    node, verdict,
    editCaptions: () => { captions.focus(); captions.select(); },
    showHistory: (rows, original) => clear(history, historyList(rows), original && originalNote(original, now())),
  };
}

function stateText(shown) {
  if (shown.saving) return `${verdictText(shown.verdict)} – saving…`;
  if (!shown.decided_by) return "Nobody has decided yet.";
  return `${verdictText(shown.verdict)} – saved, by ${shown.decided_by}, ${when(shown.decided_at)}`;
}

function originalNote(original, shown) {
  const changed = original.captions?.length && JSON.stringify(original.captions) !== JSON.stringify(shown.captions);
  return changed ? el("p", { class: "quiet" }, "The captions were: ", el("q", {}, original.captions.join(" / "))) : null;
}
