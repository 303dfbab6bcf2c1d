"use strict";

// The table as the reader asked for it: heads, rows, and more rows as one scrolls where they are very many.
(() => {
  const { board, make } = window.mbench;
  if (!board) return;
  const LINES = 30; // rows that are drawn at first, more than a screen shows; then as many again as one scrolls
  const CELLS = 3000; // with few columns more rows than that
  const FEW = 24; // so many columns are drawn at once
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
  const thousands = new Intl.NumberFormat("en");
  const mark = (word, reason) => make("span", { class: `mark mark-${word.replace(" ", "-")}`, title: reason }, word);

  // Among the means of groups a mean goes by the name of its group.
  function head(column, overview) {
    const grouped = overview && column.kind === "mean";
    const title = grouped ? board.data.groups[column.group].title : column.title;
    const metric = grouped ? `${column.title} of ${column.metric}` : column.metric;
    const attributes = { scope: "col", class: column.kind === "fact" && !column.numeric ? null : "n", title: column.note || column.full };
    const th = make("th", attributes, make("button", { type: "button", "data-sort": column.id }, title));
    if (column.href) th.append(make("a", { class: "below", href: column.href, "aria-label": `${column.metric}: about ${column.full}` }, column.metric));
    else if (metric) th.append(make("span", { class: "below" }, metric));
    if (column.kind === "task" && column.n) th.append(make("span", { class: "below" }, `n ${thousands.format(column.n)}`));
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
    const overview = shown.id === "overview";
    const row = make("tr", {}, name, ...shown.columns.map((one) => head(one, overview)));
    const groups = new Set(shown.columns.filter((one) => one.kind !== "fact").map((one) => one.group));
    if (groups.size < 2 || overview) return [row];
    return [make("tr", { class: "groups" }, make("td"), ...groupHeads(shown.columns)), row];
  }

  function name(row, shown) {
    const placed = shown.ranked && board.cell(row, shown.ranked, shown.asked.zero);
    const rank = make("span", { class: "rank" }, placed && placed.best !== null ? range(placed) : "");
    if (row.kind === "published") return make("th", { scope: "row" }, rank, make("span", { class: "called" }, row.title, " ", mark("published", REASONS.published)));
    const { model } = row;
    const title = make("span", { class: "called" }, make("a", { href: model.href }, model.id));
    if (model.short) title.append(" ", make("small", {}, model.short));
    if (model.mixed) title.append(" ", mark("mixed", REASONS.mixed));
    return make("th", { scope: "row" }, rank, title);
  }

  // Of a mean that is not there: how far it is.
  function gap(row, column) {
    const done = row.kind === "model" && column.kind === "mean" && column.value[row.at] === null ? column.done[row.at] : 0;
    const told = done ? make("small", {}, `${done} of ${column.metric}`) : null;
    return make("td", { class: "n none" }, NOTHING, told);
  }

  function score(row, column, shown) {
    const cell = board.cell(row, column, shown.asked.zero);
    if (!cell) return gap(row, column);
    const text = shown.asked.show === "rank" ? range(cell) : percent(cell.value);
    const top = cell.value === shown.tops.get(column.id) && row.kind === "model" && cell.best !== null;
    const td = make("td", { class: `n${cell.best === 1 && column.placed > 1 ? " tied" : ""}${cell.best === null ? " aside" : ""}` }, top ? make("strong", {}, text) : text);
    const plain = !cell.odd && !cell.status && !cell.marks.length;
    const small = shown.asked.show !== "plain" && cell.low !== null ? [`${percent(cell.low)}–${percent(cell.high)}`] : [];
    if (shown.asked.show === "rank") small.splice(0, 1, percent(cell.value));
    if (cell.odd && shown.asked.show !== "plain") small.push(`n ${thousands.format(cell.n)}`);
    if (cell.status === "recomputed") td.prepend(make("span", { class: "checked", title: REASONS.recomputed, role: "img", "aria-label": "recomputed" }, "✓"), " ");
    if (small.length) td.append(make("small", {}, small.join(" · ")));
    if (plain) return td;
    if (!["", "recomputed", "published"].includes(cell.status)) td.append(mark(cell.status, REASONS[cell.status] || cell.status));
    for (const [word, reason] of cell.marks) td.append(mark(word, reason));
    if (cell.source) td.title = cell.source;
    return td;
  }

  function fact(row, column) {
    const text = row.kind === "model" ? column.text(row.model) : NOTHING;
    const lacks = text === NOTHING ? " none" : "";
    return make("td", { class: column.numeric ? `n${lacks}` : text.length > 32 ? "long" : null }, text);
  }

  const cells = (row, shown, from, to) => shown.columns.slice(from, to)
    .map((column) => (column.kind === "fact" ? fact(row, column) : score(row, column, shown)));

  // The highest of each column among the rows that are shown; bold, as in a paper.
  function tops(shown) {
    const found = new Map();
    for (const column of shown.columns) {
      if (column.kind === "fact") continue;
      let [top, count] = [-1, 0];
      for (const row of shown.rows) {
        if (row.kind !== "model" || column.best[row.at] === null || !board.has(row, column, shown.asked.zero)) continue;
        top = Math.max(top, column.value[row.at]);
        count += 1;
      }
      if (count > 1) found.set(column.id, top / board.data.unit);
    }
    return found;
  }

  const SHORT = 10; // characters that a narrow column shows in a line
  const brief = (column) => board.models.every((row) => column.text(row.model).length <= SHORT);
  const widthOf = (column) => (column.kind !== "fact" || column.numeric ? "narrow" : brief(column) ? "brief" : "wide");

  const table = document.querySelector("#board table");
  const region = document.querySelector("#board .scroll");
  const rest = document.querySelector("#board .rest");
  let shown = null;
  let drawn = 0;
  let waiting = []; // rows of which only the columns in view are drawn so far
  const idle = window.requestIdleCallback || ((then) => setTimeout(then, 30));

  // The first and the last column in view; all of them where they are few.
  function inView() {
    const all = shown.columns.length;
    if (all <= FEW) return [0, all];
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    const start = heads[0].offsetWidth;
    const edges = heads.slice(1).map((one) => one.offsetLeft);
    const from = edges.findIndex((left) => left - start >= region.scrollLeft - 200);
    const to = edges.findIndex((left) => left > region.scrollLeft + region.clientWidth);
    return [Math.max(from, 0), to < 0 ? all : to];
  }

  function line(row, [from, to]) {
    const gap = (size) => (size > 0 ? [make("td", { colspan: size })] : []);
    const attributes = row.kind === "published" ? { class: "published" } : {};
    const all = shown.columns.length;
    const tr = make("tr", attributes, name(row, shown), ...gap(from), ...cells(row, shown, from, to), ...gap(all - to));
    if (to - from < all) waiting.push({ tr, row, from, to });
    return tr;
  }

  // The columns out of view follow when nothing else is to be done, some rows at a time.
  function complete(some = 3) {
    for (const { tr, row, from, to } of waiting.splice(0, some)) {
      if (from) tr.cells[1].replaceWith(...cells(row, shown, 0, from));
      if (to < shown.columns.length) tr.lastChild.replaceWith(...cells(row, shown, to));
    }
    if (waiting.length) idle(() => complete());
  }

  // The heads stay while the columns do: only the sign of the sort moves.
  function headed(before) {
    const same = before && before.columns.length === shown.columns.length && before.columns.every((one, at) => one === shown.columns[at]);
    if (!same) {
      const widths = ["named", ...shown.columns.map(widthOf)];
      table.querySelector("colgroup").replaceChildren(...widths.map((one) => make("col", { class: one })));
      table.tHead.replaceChildren(...heads(shown));
    }
    table.tHead.querySelector("[aria-sort]")?.removeAttribute("aria-sort");
    const button = table.tHead.querySelector(`[data-sort="${CSS.escape(shown.sort ? shown.sort.id : "name")}"]`);
    button.parentElement.setAttribute("aria-sort", shown.up ? "ascending" : "descending");
  }

  function more(all = false) {
    const seen = inView();
    const step = Math.max(LINES, Math.floor(CELLS / (shown.columns.length + 1)));
    const until = all ? shown.rows.length : Math.min(shown.rows.length, drawn + step);
    table.tBodies[0].append(...shown.rows.slice(drawn, until).map((row) => line(row, seen)));
    if (drawn < until) idle(() => complete());
    drawn = until;
    rest.hidden = drawn === shown.rows.length;
    rest.querySelector("output").textContent = `${drawn} of ${shown.rows.length} rows are drawn; more come as you scroll.`;
  }

  // Draw `what`: columns, rows, asked, sort (a column, or null for the name), up, ranked (whose ranks stand at names).
  function draw(what) {
    const before = shown;
    shown = { ...what, tops: null };
    shown.tops = tops(shown);
    drawn = 0;
    waiting = [];
    region.scrollTop = 0;
    table.tBodies[0].replaceChildren();
    headed(before);
    table.setAttribute("aria-rowcount", shown.rows.length + table.tHead.rows.length);
    more();
  }

  region.addEventListener("scroll", () => {
    if (shown && drawn < shown.rows.length && region.scrollTop + 2 * region.clientHeight > region.scrollHeight) more();
  }, { passive: true });
  rest.querySelector("button").addEventListener("click", () => more(true));
  window.addEventListener("beforeprint", () => { if (shown) { more(true); complete(Infinity); } });

  Object.assign(board, { draw, percent, range });
})();
