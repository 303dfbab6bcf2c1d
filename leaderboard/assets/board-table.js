"use strict";

// The table as the reader asked for it: heads, rows, and more rows as one scrolls where they are very many.
(() => {
  const { board, make } = window.mbench;
  if (!board) return;
  const CELLS = 6500; // so many are drawn at once; a browser lays them out in a blink
  const NOTHING = "–";
  const REASONS = {
    recomputed: "Computed again from the submission's ranking.",
    server: "Given by the benchmark's own server.",
    "not recomputed": "Not computed again: the judgments are not at hand.",
    published: "Printed by its authors; not measured here.",
    mixed: "The results of this row come from different weights or settings of the model.",
  };

  const percent = (value) => (100 * value).toFixed(1);
  const range = (cell) => (cell.best === null ? NOTHING : cell.best === cell.worst ? `${cell.best}` : `${cell.best}–${cell.worst}`);
  const mark = (word, reason) => make("span", { class: `mark mark-${word.replace(" ", "-")}`, title: reason }, word);

  function head(column, shown) {
    const sorting = shown.sort === column;
    const attributes = { scope: "col", class: column.kind === "fact" && !column.numeric ? null : "n", title: column.note || null };
    const th = make("th", attributes, make("button", { type: "button", "data-sort": column.id }, column.title));
    if (sorting) th.setAttribute("aria-sort", shown.up ? "ascending" : "descending");
    if (column.href) th.append(make("a", { class: "below", href: column.href, "aria-label": `${column.metric}: about ${column.full}` }, column.metric));
    else if (column.metric) th.append(make("span", { class: "below" }, column.metric));
    if (column.kind === "task" && column.n) th.append(make("span", { class: "below" }, `n ${column.n.toLocaleString("en")}`));
    return th;
  }

  // Where columns of several groups stand side by side, the groups have a head of their own.
  function groupHeads(columns) {
    const runs = [];
    for (const column of columns) {
      const title = column.kind === "fact" ? "Model" : board.data.groups[column.group].title;
      if (runs.length && runs[runs.length - 1].title === title) runs[runs.length - 1].size += 1;
      else runs.push({ title, size: 1 });
    }
    return runs.map((one) => make("th", { scope: "colgroup", colspan: one.size, class: "over" }, make("span", {}, one.title)));
  }

  function heads(shown) {
    const name = make("th", { scope: "col" }, make("button", { type: "button", "data-sort": "name" }, "Model"));
    if (!shown.sort) name.setAttribute("aria-sort", shown.up ? "ascending" : "descending");
    const row = make("tr", {}, name, ...shown.columns.map((one) => head(one, shown)));
    const groups = new Set(shown.columns.filter((one) => one.kind !== "fact").map((one) => one.group));
    if (groups.size < 2) return [row];
    return [make("tr", { class: "groups" }, make("td"), ...groupHeads(shown.columns)), row];
  }

  function name(row, shown) {
    const placed = shown.ranked && board.cell(row, shown.ranked, shown.asked.zero);
    const rank = make("span", { class: "rank" }, placed && placed.best !== null ? range(placed) : "");
    if (row.kind === "published") return make("th", { scope: "row" }, rank, make("span", { class: "name" }, row.title, mark("published", REASONS.published)));
    const { model } = row;
    const title = make("span", { class: "name" }, make("a", { href: model.href }, model.id));
    if (model.short) title.append(make("small", {}, model.short));
    if (model.mixed) title.append(mark("mixed", REASONS.mixed));
    return make("th", { scope: "row" }, rank, title);
  }

  function score(row, column, shown) {
    const cell = board.cell(row, column, shown.asked.zero);
    if (!cell) return make("td", { class: "n none" }, NOTHING);
    const text = shown.asked.show === "rank" ? range(cell) : percent(cell.value);
    const top = cell.value === shown.tops.get(column.id) && row.kind === "model" && cell.best !== null;
    const td = make("td", { class: `n${cell.best === 1 ? " tied" : ""}${cell.best === null ? " aside" : ""}` }, top ? make("strong", {}, text) : text);
    const small = shown.asked.show !== "plain" && cell.low !== null ? [`${percent(cell.low)}–${percent(cell.high)}`] : [];
    if (shown.asked.show === "rank") small.splice(0, 1, percent(cell.value));
    if (cell.odd && shown.asked.show !== "plain") small.push(`n ${cell.n.toLocaleString("en")}`);
    if (small.length) td.append(make("small", {}, small.join(" · ")));
    if (cell.status === "recomputed") td.append(make("span", { class: "checked", title: REASONS.recomputed, role: "img", "aria-label": "recomputed" }, "✓"));
    else if (cell.status && cell.status !== "published") td.append(mark(cell.status, REASONS[cell.status] || cell.status));
    for (const [word, reason] of cell.marks) td.append(mark(word, reason));
    if (cell.source) td.title = cell.source;
    return td;
  }

  function fact(row, column) {
    const text = row.kind === "model" ? column.text(row.model) : NOTHING;
    return make("td", { class: column.numeric ? "n" : text.length > 32 ? "long" : null }, text);
  }

  function line(row, shown) {
    const cells = shown.columns.map((column) => (column.kind === "fact" ? fact(row, column) : score(row, column, shown)));
    return make("tr", row.kind === "published" ? { class: "published" } : {}, name(row, shown), ...cells);
  }

  // The highest of each column among the rows that are shown; bold, as in a paper.
  function tops(shown) {
    const found = new Map();
    for (const column of shown.columns) {
      if (column.kind === "fact") continue;
      const cells = shown.rows.map((row) => board.cell(row, column, shown.asked.zero));
      const values = cells.filter((cell) => cell && cell.best !== null).map((cell) => cell.value);
      if (values.length > 1) found.set(column.id, Math.max(...values));
    }
    return found;
  }

  const table = document.querySelector("#board table");
  const region = document.querySelector("#board .scroll");
  const rest = document.querySelector("#board .rest");
  let shown = null;
  let drawn = 0;

  function more(all = false) {
    const until = all ? shown.rows.length : Math.min(shown.rows.length, drawn + Math.max(24, Math.floor(CELLS / (shown.columns.length + 1))));
    table.tBodies[0].append(...shown.rows.slice(drawn, until).map((row) => line(row, shown)));
    drawn = until;
    rest.hidden = drawn === shown.rows.length;
    rest.querySelector("output").textContent = `${drawn} of ${shown.rows.length} rows are drawn; more come as you scroll.`;
  }

  // Draw `what`: columns, rows, asked, sort (a column, or null for the name), up, ranked (whose ranks stand at names).
  function draw(what) {
    shown = { ...what, tops: null };
    shown.tops = tops(shown);
    drawn = 0;
    table.tHead.replaceChildren(...heads(shown));
    table.tBodies[0].replaceChildren();
    table.setAttribute("aria-rowcount", shown.rows.length + table.tHead.rows.length);
    more();
  }

  region.addEventListener("scroll", () => {
    if (shown && drawn < shown.rows.length && region.scrollTop + 2 * region.clientHeight > region.scrollHeight) more();
  }, { passive: true });
  rest.querySelector("button").addEventListener("click", () => more(true));
  window.addEventListener("beforeprint", () => { if (shown) more(true); });

  Object.assign(board, { draw, percent, range });
})();
