/* What the store holds: counts, distributions, versions, throughput, runs. Every bar is a filter. */

import { get } from "./api.js";
import { bars, histogram, timeline } from "./charts.js";
import { clear, el, emptyState, errorState, field, loadingState, select } from "./dom.js";
import { count, duration, fixed, metresAsMm, percent, shortId, verdictText, when } from "./format.js";
import { WITHOUT } from "./motion_list.js";
import { address, go } from "./router.js";

/* Of each histogram's column: the filters that a bar sets, and how its edges read. */
const COLUMNS = {
  label_score: { filter: "score", textOf: (value) => fixed(value, 2) },
  reprojection: { filter: "reprojection", textOf: metresAsMm },
  skating: { filter: "skating", textOf: (value) => fixed(value, 2, "m/s") },
  coverage: { filter: "coverage", textOf: percent },
  seconds: { filter: "seconds", textOf: (value) => fixed(value, 1, "s") },
};
const TONES = { keep: "good", drop: "bad", "needs-work": "warn" };
const MOST_VERSIONS = 30;
const MOST_RUNS = 12;
const MOST_METRICS = 4;

export function open(place, params, store) {
  let ending = new AbortController();
  const fill = async (now) => {
    ending.abort();
    ending = new AbortController();
    if (!place.firstChild) clear(place, loadingState());
    try {
      const overview = await get("overview", { dataset: now.dataset }, { signal: ending.signal });
      clear(place, page(overview, now.dataset ?? "", store));
    } catch (error) {
      if (error.name !== "AbortError") clear(place, errorState(error.message, () => fill(now), true));
    }
  };
  fill(params);
  return { update: fill, close: () => ending.abort() };
}

function page(overview, dataset, store) {
  const browse = (filters) => address("browse", { dataset, ...filters });
  const total = sum(overview.datasets, "motions");
  const names = store.datasets ?? overview.datasets.map((each) => each.dataset);
  return [
    el("div", { class: "page-head" },
      el("div", {}, el("h1", {}, "Overview"), el("p", { class: "quiet" }, el("code", {}, store.url), ` · version ${overview.versions?.[0]?.version ?? store.version}`)),
      names.length > 1 && field("Data set", select([["", "All"], ...names.map((name) => [name, name])], dataset,
        { onchange: (event) => go("overview", { dataset: event.target.value }) }))),
    total === 0 && sum(overview.datasets, "videos") === 0
      ? emptyState("This store holds no motions yet.", "crossdiff ingest VIDEOS --dataset NAME --out STORE brings them.")
      : [headline(overview, total), cards(overview, browse, dataset)],
  ];
}

function headline(overview, total) {
  const undecided = overview.verdicts.find((each) => !each.value || each.value === "none")?.count ?? 0;
  const facts = [
    [count(total), "motions"], [duration(sum(overview.datasets, "seconds")), "of motion"],
    [count(sum(overview.datasets, "videos")), "videos"], [count(sum(overview.failures_by_reason, "count")), "failed files"],
    [count(total - undecided), "decided"],
  ];
  return el("dl", { class: "headline" }, facts.map(([value, name]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function cards(overview, browse, dataset) {
  const failures = (filters) => address("failures", { dataset, ...filters });
  const statusLink = (value) => (value === "failed" ? failures({}) : browse({ source_kind: "pseudo" }));
  const figures = [
    card("Data sets", bars(overview.datasets.map((each) => ({
      label: each.dataset, count: each.motions, href: address("browse", { dataset: each.dataset }),
      note: `${count(each.motions)} · ${duration(each.seconds)}`,
    })))),
    card("Decisions", bars(overview.verdicts.map((each) => ({
      label: verdictText(each.value), count: each.count, href: browse({ verdict: each.value || "none" }), tone: TONES[each.value],
    })))),
    card("Videos by status", bars(overview.videos_by_status.map((each) => ({
      label: each.value === "ok" ? "Became motion" : capital(each.value), count: each.count, href: statusLink(each.value),
      tone: each.value === "failed" ? "bad" : "",
    })), { what: "video" })),
    card("Failures by reason", bars(overview.failures_by_reason.map((each) => ({
      label: each.value, count: each.count, href: failures({ reason: each.value }), tone: "bad",
    })), { what: "file" })),
    card("Classes", bars(overview.classes.map((each) => ({
      label: each.value || "no class", count: each.count, href: browse({ action: each.value || WITHOUT }),
    })))),
    ...overview.histograms.map((each) => histogramCard(each, browse)),
    throughputCard(overview.throughput),
  ];
  return [el("div", { class: "columns-of-cards" }, figures), versionsCard(overview.versions), runsCard(overview.runs)];
}

function histogramCard(each, browse) {
  const { filter, textOf } = COLUMNS[each.column] ?? { textOf: (value) => fixed(value, 2) };
  const title = `${capital(each.label)}${each.unit && each.column !== "reprojection" ? ` (${each.unit})` : ""}`;
  if (!each.counts.some((number) => number > 0)) return card(title, el("p", { class: "quiet" }, "No motion has this figure."));
  const hrefOf = (low, high) => (filter ? browse({ [`min_${filter}`]: low, [`max_${filter}`]: high }) : browse({}));
  return card(title, histogram({ ...each, textOf, hrefOf, label: each.label }));
}

function throughputCard(rows) {
  if (!rows.length) return card("Ingest throughput", el("p", { class: "quiet" }, "Nothing ingested from video yet."));
  const items = rows.map((row) => {
    const rate = row.seconds > 0 ? (row.clips / row.seconds) * 60 : 0;
    return {
      label: when(row.at), value: rate, href: address("browse", { dataset: row.dataset }),
      words: `${when(row.at)}, ${row.dataset}: ${count(row.clips)} clips, ${count(row.motions)} motions in ${duration(row.seconds)}; ${fixed(rate, 1)} clips a minute of work`,
    };
  });
  return card("Ingest throughput", timeline(items, "Clips a minute of work, by hour"), "clips a minute of work, by hour");
}

function versionsCard(versions) {
  if (!versions.length) return card("Versions", el("p", { class: "quiet" }, "None yet."), null, "wide");
  const rows = versions.slice(0, MOST_VERSIONS).map((each) => el(
    "tr", {}, el("th", { scope: "row", class: "num" }, each.version), el("td", {}, when(each.at)), el("td", {}, each.what ?? ""),
    el("td", { class: "num" }, count(each.motions)),
  ));
  const head = el("tr", {}, ["Version", "When", "What", "Motions"].map((name, n) => el("th", { scope: "col", class: n % 3 === 0 && "num" }, name)));
  return card("Versions", el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Versions" },
    el("table", {}, el("thead", {}, head), el("tbody", {}, rows))), null, "wide");
}

function runsCard(runs) {
  const note = "training, finetuning, evaluation";
  if (!runs.length) return card("Runs", el("p", { class: "quiet" }, "No run has read this store yet."), note, "wide");
  const rows = runs.slice(0, MOST_RUNS).map((run) => el(
    "tr", {}, el("th", { scope: "row" }, `${run.kind} ${run.what ?? ""}`), el("td", {}, when(run.finished_at)),
    el("td", {}, run.status), el("td", {}, gate(run.gate)), el("td", {}, metricsText(run.metrics)),
    el("td", {}, el("code", { title: run.checkpoint ?? "" }, shortId(run.checkpoint))),
  ));
  const head = el("tr", {}, ["Run", "Finished", "Status", "Gate", "Scores", "Checkpoint"].map((name) => el("th", { scope: "col" }, name)));
  return card("Runs", el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Runs" },
    el("table", {}, el("thead", {}, head), el("tbody", {}, rows))), note, "wide");
}

function gate(outcome) {
  if (!outcome) return "–";
  return el("span", { class: `badge ${outcome === "promoted" ? "good" : "bad"}` }, outcome);
}

function metricsText(metrics = {}) {
  const said = Object.entries(metrics ?? {}).filter(([, value]) => typeof value === "number");
  const more = said.length > MOST_METRICS ? ` and ${said.length - MOST_METRICS} more` : "";
  return said.slice(0, MOST_METRICS).map(([name, value]) => `${name} ${Number(value.toPrecision(3))}`).join(", ") + more;
}

function card(title, content, note = null, extra = "") {
  return el("section", { class: `card ${extra}` }, el("h2", {}, title, note && el("small", {}, note)), content);
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const sum = (rows, name) => rows.reduce((total, row) => total + (row[name] ?? 0), 0);
