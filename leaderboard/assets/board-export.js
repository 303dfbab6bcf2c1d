"use strict";

// The view that is shown, as CSV, JSON, LaTeX, Markdown or a citation: to copy or to save.
(() => {
  const { board } = window.mbench;
  if (!board) return;
  const dialog = document.getElementById("export");
  const text = dialog.querySelector("textarea");
  const said = dialog.querySelector("output");
  const form = dialog.querySelector("form");

  const nameOf = (row) => (row.kind === "model" ? row.model.id : `${row.title} (published)`);
  const titleOf = (column) => (column.kind === "fact" ? column.title : column.kind === "mean" ? column.full : `${column.full} ${column.metric}`);
  const points = (value) => (value === null ? "" : (100 * value).toFixed(3).replace(/\.?0+$/, ""));

  // Programs read a count in full where people read "2.84 M", and nothing where people read a dash.
  function fact(column, row) {
    const text = column.text(row.model);
    return column.numeric ? column.sort(row.model) : text === "–" ? null : text;
  }

  function* cells(view) {
    for (const row of view.rows) {
      yield { row, found: view.columns.map((column) => (column.kind === "fact" ? null : board.cell(row, column, view.asked.zero))) };
    }
  }

  // A spreadsheet takes text that begins with one of these for a formula.
  function field(value) {
    const plain = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\n\r]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
  }

  function csv(view) {
    const wide = (column) => (column.kind === "fact" ? [titleOf(column)] : ["", " low", " high", " rank"].map((part) => titleOf(column) + part));
    const lines = [["model", "revision", ...view.columns.flatMap(wide)].map(field).join(",")];
    for (const { row, found } of cells(view)) {
      const parts = view.columns.flatMap((column, at) => {
        if (column.kind === "fact") return [field(row.kind === "model" ? String(fact(column, row) ?? "") : "")];
        const one = found[at];
        return one ? [points(one.value), points(one.low), points(one.high), one.best === null ? "" : board.range(one)] : ["", "", "", ""];
      });
      lines.push([field(nameOf(row)), field(row.kind === "model" ? row.model.revision : ""), ...parts].join(","));
    }
    return lines.join("\n") + "\n";
  }

  function score(column, one) {
    const told = { column: column.id, metric: column.kind === "mean" ? "mean" : column.metric, protocol: column.protocol, value: one.value, low: one.low, high: one.high, n: one.n };
    if (one.best !== null) Object.assign(told, { rank_best: one.best, rank_worst: one.worst });
    if (one.status) told.status = one.status;
    if (one.source) told.source = one.source;
    if (one.marks.length) told.marks = one.marks.map(([word]) => word);
    return told;
  }

  function json(view) {
    const rows = [...cells(view)].map(({ row, found }) => ({
      model: nameOf(row),
      revision: row.kind === "model" ? row.model.revision : null,
      facts: row.kind === "model" ? Object.fromEntries(view.columns.filter((one) => one.kind === "fact").map((one) => [one.id, fact(one, row)])) : {},
      scores: found.flatMap((one, at) => (one ? [score(view.columns[at], one)] : [])),
    }));
    return JSON.stringify({ view: view.id, columns: view.columns.map((one) => ({ id: one.id, title: titleOf(one) })), rows }, null, 1) + "\n";
  }

  const TEX = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "–": "--" };
  const tex = (value) => value.replace(/[\\~^–&%$#_{}]/g, (one) => TEX[one] || `\\${one}`);
  const shown = (one, asked) => (asked.show === "rank" ? board.range(one) : board.percent(one.value));

  // What is highest and second of a column, by the numbers as they are printed; published ones do not compete.
  function podium(view) {
    return view.columns.map((column) => {
      if (column.kind === "fact") return [];
      const values = view.rows.map((row) => board.cell(row, column, view.asked.zero)).filter((one) => one && one.best !== null);
      return [...new Set(values.map((one) => one.value))].sort((a, b) => b - a).slice(0, 2).map((value) => board.percent(value));
    });
  }

  function latex(view) {
    const places = podium(view);
    const dress = (one, at) => {
      if (!one) return "--";
      const place = one.best === null ? -1 : places[at].indexOf(board.percent(one.value));
      const interval = view.asked.show === "score" && one.low !== null ? ` {\\scriptsize [${board.percent(one.low)}, ${board.percent(one.high)}]}` : "";
      const inner = tex(shown(one, view.asked));
      return ["\\textbf{", "\\underline{"][place] ? `${["\\textbf{", "\\underline{"][place]}${inner}}${interval}` : inner + interval;
    };
    const head = ["Model", ...view.columns.map((one) => tex(one.title))].join(" & ");
    const lines = [...cells(view)].map(({ row, found }) => {
      const parts = view.columns.map((column, at) => (column.kind === "fact" ? tex(row.kind === "model" ? column.text(row.model) : "–") : dress(found[at], at)));
      return `${[tex(nameOf(row)), ...parts].join(" & ")} \\\\`;
    });
    const shape = `l${view.columns.map((one) => (one.kind === "fact" && !one.numeric ? "l" : "r")).join("")}`;
    return ["% \\usepackage{booktabs}", `\\begin{tabular}{${shape}}`, "\\toprule", `${head} \\\\`, "\\midrule", ...lines, "\\bottomrule", "\\end{tabular}", ""].join("\n");
  }

  function markdown(view) {
    const safe = (value) => value.replace(/[\\`*_{}[\]<>|]/g, "\\$&").replace(/\s+/g, " ");
    const places = podium(view);
    const dress = (one, at) => {
      if (!one) return "–";
      const inner = shown(one, view.asked);
      const interval = view.asked.show === "score" && one.low !== null ? ` (${board.percent(one.low)}–${board.percent(one.high)})` : "";
      return one.best !== null && places[at][0] === board.percent(one.value) ? `**${inner}**${interval}` : inner + interval;
    };
    const lines = [...cells(view)].map(({ row, found }) => {
      const parts = view.columns.map((column, at) => (column.kind === "fact" ? safe(row.kind === "model" ? column.text(row.model) : "–") : dress(found[at], at)));
      return `| ${[safe(nameOf(row)), ...parts].join(" | ")} |`;
    });
    const rule = view.columns.map((one) => (one.kind === "fact" && !one.numeric ? "---" : "---:"));
    return [`| Model | ${view.columns.map((one) => safe(titleOf(one))).join(" | ")} |`, `| --- | ${rule.join(" | ")} |`, ...lines, ""].join("\n");
  }

  // mbench itself, then what the tasks in the view ask to be cited as.
  function citation(view) {
    const { version, newest } = dialog.dataset;
    const own = `@misc{mbench,\n  title = {mbench: evaluation of instruction-aware multimodal embedding models},\n  author = {{The mbench authors}},\n  note = {Version ${version}${newest ? `, leaderboard of ${newest}` : ""}}${newest ? `,\n  year = {${newest.slice(0, 4)}}` : ""}\n}\n`;
    const groups = new Set(view.columns.filter((one) => one.kind === "mean").map((one) => one.group));
    const tasks = board.scores.filter((one) => one.kind === "task" && (view.columns.includes(one) || groups.has(one.group)));
    const cited = new Map();
    for (const one of tasks) if (one.citation) cited.set(one.citation, [...(cited.get(one.citation) || []), one.id]);
    const others = [...cited].map(([text, ids]) => (text.startsWith("@") ? text : `% ${ids.join(", ")}: ${text.replace(/\s+/g, " ")}`));
    return [own, ...others, ""].join("\n");
  }

  const FORMATS = { csv: [csv, "text/csv"], json: [json, "application/json"], tex: [latex, "text/x-tex"], md: [markdown, "text/markdown"], bib: [citation, "text/x-bibtex"] };

  function write() {
    text.value = FORMATS[form.elements.format.value][0](board.view());
    said.textContent = "";
  }

  async function copy() {
    text.select();
    try {
      await navigator.clipboard.writeText(text.value);
    } catch {
      document.execCommand("copy");
    }
    said.textContent = "Copied.";
  }

  function save() {
    const kind = form.elements.format.value;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text.value], { type: `${FORMATS[kind][1]};charset=utf-8` }));
    link.download = `mbench-${board.view().id}.${kind}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    said.textContent = `Saved as ${link.download}.`;
  }

  form.addEventListener("change", write);
  dialog.querySelector("[data-do=copy]").addEventListener("click", copy);
  dialog.querySelector("[data-do=save]").addEventListener("click", save);
  dialog.querySelector("[data-do=close]").addEventListener("click", () => dialog.close());
  for (const button of document.querySelectorAll("[data-export]")) {
    button.addEventListener("click", () => {
      form.elements.format.value = button.dataset.export;
      write();
      dialog.showModal();
    });
  }
  board.exported = (kind) => FORMATS[kind][0](board.view());
})();
