/* Elements from data. Text only ever becomes a text node: captions and file names are hostile. */

const SVG = "http://www.w3.org/2000/svg";

/** An element: `on…` are listeners, `class`, `data`, `style` (an object) and properties by name,
 *  everything else an attribute; null and false children and attributes are left out. */
export function el(tag, given = {}, ...children) {
  return filled(document.createElement(tag), given, children);
}

/** The same in the SVG name space. */
export function svg(tag, given = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), given, children);
}

export function clear(place, ...children) {
  place.replaceChildren();
  add(place, children);
  return place;
}

function filled(node, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(node.style, value);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "class") node.setAttribute("class", value);
    else if (["value", "checked", "disabled", "hidden", "selected", "indeterminate"].includes(name)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  add(node, children);
  return node;
}

function add(node, children) {
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

let fields = 0;

/** A control with its label beside or above it. The label is not around it: a select's name would
 *  be read together with what is chosen in it. */
export function field(label, control, extra = "") {
  control.id ||= `field-${++fields}`;
  return el("div", { class: `field ${extra}` }, el("label", { for: control.id }, label), control);
}

/** A select from `[value, text]` pairs. */
export function select(pairs, chosen, given = {}) {
  const node = el("select", given);
  for (const [value, text] of pairs) node.append(el("option", { value, selected: value === chosen }, text));
  return node;
}

export function button(text, onclick, given = {}) {
  return el("button", { type: "button", onclick, ...given }, text);
}

/** What stands where nothing is, is being fetched, or could not be had. */
export function emptyState(title, hint = null, ...more) {
  return el("div", { class: "empty" }, el("p", { class: "empty-title" }, title), hint && el("p", {}, hint), ...more);
}

export function loadingState(text = "Loading…") {
  return el("p", { class: "wait", role: "status" }, text);
}

/** `page`: nothing else is on the page, so that this is its heading. */
export function errorState(sentence, retry = null, page = false) {
  return el(
    "div", { class: "empty error", role: "alert" },
    el(page ? "h1" : "p", { class: "empty-title" }, "That did not work"), el("p", {}, sentence),
    retry && button("Try again", retry),
  );
}
