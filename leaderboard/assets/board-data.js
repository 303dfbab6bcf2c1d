"use strict";

// The numbers of the leaderboard: which columns and rows there are, and what stands where they cross.
(() => {
  const source = document.getElementById("board-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);

  const scores = data.columns;
  const models = data.models.map((model, at) => ({ kind: "model", at, model }));
  const tasks = scores.filter((one) => one.kind === "task");
  for (const one of scores) one.placed = one.best.filter((place) => place !== null).length;
  for (const { model, at } of models) model.done = tasks.filter((one) => one.best[at] !== null).length;
  const facts = [
    { id: "tasks", title: "Tasks", metric: `of ${tasks.length}`, note: "On how many of the tasks with results the model has a current one.", kind: "fact", numeric: true, shown: false, text: (model) => String(model.done), sort: (model) => model.done },
    ...data.facts.map((one, at) => ({ ...one, kind: "fact", text: (model) => model.facts[at], sort: (model) => model.sorts[at] })),
    { id: "date", title: "Last run", note: "The day of the newest result.", kind: "fact", shown: false, text: (model) => model.date || "–", sort: () => null },
  ];
  const all = new Map([...scores, ...facts].map((one) => [one.id, one]));

  // Published numbers make rows of their own: one for each name under which they were printed.
  const published = new Map();
  for (const column of scores) {
    for (const one of column.reported) {
      if (!published.has(one.model)) published.set(one.model, { kind: "published", title: one.model, found: new Map() });
      const { found } = published.get(one.model);
      if (!found.has(column.id)) found.set(column.id, one);
    }
  }

  const had = (column) => column.value.some((value) => value !== null);
  const means = scores.filter((one) => one.kind === "mean");
  const first = [...means.filter((one) => means.find((other) => other.group === one.group) === one), facts[0]];
  const views = [
    ...data.groups.map((group, at) => ({ ...group, columns: scores.filter((one) => one.group === at) })),
  ];
  if (views.length > 1) {
    views.unshift({ id: "overview", title: "Overview", about: "All models, with the mean of each group of tasks that a model has every task of.", columns: means, shown: first, everybody: true });
    views.push({ id: "all", title: "All tasks", about: "Every task of every group, a column each.", columns: scores.filter((one) => one.kind === "task" || had(one)) });
  }
  // The page opens with means where anybody has one, and else with the tasks themselves.
  const opening = means.some(had) ? views[0] : views[views.length - 1];

  const fraction = (whole) => (whole === null || whole === undefined ? null : whole / data.unit);

  function measured(column, at) {
    return {
      value: fraction(column.value[at]), low: fraction(column.low[at]), high: fraction(column.high[at]),
      n: column.ns[at] ?? column.n, odd: at in column.ns,
      best: column.best[at], worst: column.worst[at], by: column.by,
      status: column.status[at] || "", marks: column.marks[at] || [],
    };
  }

  // Whether there is a measured number. `zero` leaves out what the model was trained on.
  function has(row, column, zero) {
    if (column.value[row.at] === null) return false;
    const seen = column.seen ? column.seen[row.at] : "u";
    return !zero || (seen !== "s" && (zero !== "declared" || seen !== "?"));
  }

  // What stands where a row and a column of scores cross, or null.
  function cell(row, column, zero = "") {
    if (row.kind === "published") {
      const one = row.found.get(column.id);
      return one ? { value: fraction(one.value), low: null, high: null, best: null, marks: [], status: "published", source: one.source } : null;
    }
    return has(row, column, zero) ? measured(column, row.at) : null;
  }

  function key(row, column, zero) {
    if (!column) return row.kind === "model" ? row.model.id : row.title;
    if (column.kind !== "fact" && row.kind === "model") return has(row, column, zero) ? column.value[row.at] / data.unit : null;
    if (column.kind !== "fact") return cell(row, column)?.value ?? null;
    if (row.kind === "published") return null;
    const text = column.text(row.model);
    return column.sort(row.model) ?? (text === "–" ? null : text);
  }

  // In either direction numbers out of the running follow those that compare, and rows that say nothing come last.
  function tier(row, column, value) {
    if (value === null) return 2;
    return column && column.kind !== "fact" && row.kind === "model" && column.best[row.at] === null ? 1 : 0;
  }

  // Equals stand in the order of their names.
  function sorted(rows, column, up, zero) {
    const names = new Intl.Collator("en", { numeric: true });
    const keyed = rows.map((row) => ({ row, key: key(row, column, zero), name: key(row, null) }));
    for (const one of keyed) one.tier = tier(one.row, column, one.key);
    keyed.sort((a, b) => {
      if (a.tier !== b.tier) return a.tier - b.tier;
      if (a.key === null) return names.compare(a.name, b.name);
      const order = typeof a.key === "number" && typeof b.key === "number" ? a.key - b.key : names.compare(a.key, b.key);
      return (up ? order : -order) || names.compare(a.name, b.name);
    });
    return keyed.map((one) => one.row);
  }

  const SIZES = { small: [0, 1e8], medium: [1e8, 1e9], large: [1e9, 5e9], huge: [5e9, Infinity] };

  function fits(model, asked) {
    const { parameters } = model;
    const words = asked.q.toLowerCase().split(/\s+/).filter(Boolean);
    const size = SIZES[asked.size];
    return words.every((word) => model.words.includes(word))
      && asked.modality.every((one) => model.modalities.includes(one))
      && (!size || (parameters !== null && parameters >= size[0] && parameters < size[1]))
      && (!asked.licence || model.license === asked.licence)
      && (!asked.open || model.open)
      && (!asked.instructions || model.instructions === (asked.instructions === "yes"))
      && (!asked.since || model.date >= asked.since);
  }

  // Models that meet what is asked for and have a number in one of the columns; `among` are those that count for that.
  function rows(columns, asked, among = columns) {
    const found = models.filter((row) => fits(row.model, asked) && among.some((one) => has(row, one, asked.zero)));
    if (!asked.published) return found;
    const words = asked.q.toLowerCase().split(/\s+/).filter(Boolean);
    const named = [...published.values()].filter((row) => words.every((word) => row.title.toLowerCase().includes(word)));
    return [...found, ...named.filter((row) => columns.some((one) => row.found.has(one.id)))];
  }

  // A mean has a protocol only where all tasks of its group have the same.
  function ofProtocol(column, protocol) {
    const tasks = column.kind === "mean" ? scores.filter((one) => one.kind === "task" && one.group === column.group) : [column];
    return tasks.every((one) => one.protocol === protocol);
  }

  // Whether a column ranks some of the rows: a place among one is none.
  const places = (column, rows, zero) => column.placed > 1 && rows.some((row) => row.kind === "model" && column.best[row.at] !== null && has(row, column, zero));

  window.mbench.board = { data, facts, scores, all, models, published, views, opening, has, cell, sorted, rows, places, ofProtocol };
})();
