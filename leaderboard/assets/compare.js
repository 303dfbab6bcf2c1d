"use strict";

// The page of comparisons: two models chosen by the reader, tested on all tasks that both have.
(() => {
  const { load, make, state, keep } = window.mbench;
  const { decode, clustersOf, pairTest, holm } = window.mbenchPairs;
  const page = document.querySelector("[data-compare]");
  const form = page.querySelector("form");
  const output = page.querySelector(".comparison");
  const status = page.querySelector("[role=status]");
  const LISTED = 40;
  const LEVEL = 0.05;
  let turn = 0;

  const percent = (value) => (100 * value).toFixed(1).replace("-", "−");
  const signed = (value) => (value > 0 ? "+" : "") + percent(value);
  const chance = (p) => (p < 0.001 ? "< 0.001" : p.toFixed(3));
  const whole = (value) => value.toLocaleString("en");

  function nameOf(model, models) {
    const alone = models.filter((other) => other.id === model.id).length === 1;
    return alone ? model.id : `${model.id} @ ${model.revision}`;
  }

  function fill(select, names, chosen) {
    select.replaceChildren(...names.map((name, place) => make("option", { value: place, selected: place === chosen }, name)));
  }

  // Where the reader left off, or the two best of the first task.
  function chosen(names) {
    const wanted = state();
    const a = names.indexOf(wanted.get("a"));
    const b = names.indexOf(wanted.get("b"));
    const [first, second] = page.dataset.best.split(" ").map(Number);
    const left = a >= 0 ? a : b === first ? second : first;
    return [left, b >= 0 ? b : left === second ? first : second];
  }

  async function rowOf(task, a, b) {
    const [ours, theirs] = [a[task.key], b[task.key]];
    if (!ours?.score || !theirs?.score) return null;
    const row = { task, ours, theirs, test: null };
    if (ours.codes !== undefined && theirs.codes !== undefined) {
      const clusters = task.clustered ? clustersOf((await load(task.file)).clusters) : null;
      row.test = pairTest(decode(ours), decode(theirs), clusters);
    }
    return row;
  }

  async function compare(index, names) {
    const now = (turn += 1);
    const [a, b] = [form.elements.a, form.elements.b].map((select) => Number(select.value));
    keep({ a: names[a], b: names[b] });
    output.setAttribute("aria-busy", "true");
    const [ours, theirs] = await Promise.all([load(index.models[a].file), load(index.models[b].file)]);
    const rows = [];
    for (const task of index.tasks) {
      status.textContent = `Testing ${task.title}`;
      await new Promise((resolve) => setTimeout(resolve));
      if (now !== turn) return;
      const row = await rowOf(task, ours, theirs);
      if (row) rows.push(row);
    }
    adjust(rows);
    output.replaceChildren(...shown(rows, { a: names[a], b: names[b], pageA: index.models[a].page, pageB: index.models[b].page }));
    output.removeAttribute("aria-busy");
    status.textContent = summary(rows, names[a], names[b]);
  }

  function adjust(rows) {
    const tested = rows.filter((row) => row.test);
    holm(tested.map((row) => row.test.p)).forEach((p, place) => (tested[place].test.adjusted = p));
  }

  function verdict(test) {
    if (!test) return "not tested";
    if (test.adjusted > LEVEL) return "not told apart";
    return test.difference > 0 ? "A is better" : "B is better";
  }

  function summary(rows, a, b) {
    if (!rows.length) return `${a} and ${b} have no task in common.`;
    const counts = (words) => rows.filter((row) => verdict(row.test) === words).length;
    const untested = counts("not tested");
    const tasks = rows.length === 1 ? "1 task" : `${rows.length} tasks`;
    const why = "at least one of the two lacks its scores by query there";
    if (untested === rows.length) return `Both have ${tasks}, none tested: ${why}.`;
    const parts = [`A is better on ${counts("A is better")}`, `B on ${counts("B is better")}`, `not told apart on ${counts("not told apart")}`];
    return `Of ${tasks} that both have: ${parts.join(", ")}${untested ? `; not tested on ${untested}, since ${why}` : ""}.`;
  }

  function shown(rows, names) {
    if (!rows.length) return [];
    const widest = Math.max(0.01, ...rows.flatMap((row) => (row.test ? [row.test.low, row.test.high, row.test.difference] : [row.ours.score[0] - row.theirs.score[0]]).map((end) => Math.abs(end ?? 0))));
    const heads = ["Task", "A", "B", "A − B, points", "95% interval", "", "p, adjusted", "A wins / ties / B wins", "Verdict"];
    const head = make("tr", {}, ...heads.map((text, place) => make("th", { scope: "col", class: place && place < 8 && place !== 5 ? "n" : null }, text || make("span", { class: "hidden" }, "Drawn"))));
    const table = make("table", { class: "pairs" }, make("thead", {}, head), make("tbody", {}, ...rows.map((row) => line(row, widest))));
    const box = make("div", { class: "scroll", role: "group", tabindex: "0", "aria-label": `${names.a} against ${names.b}, task by task` }, table);
    return [legend(names), box, make("h2", {}, "Where the differences come from"), ...rows.map((row) => details(row, names))];
  }

  function legend(names) {
    const side = (letter, name, href) => make("span", { class: `side side-${letter}` }, make("b", {}, letter.toUpperCase()), make("a", { href }, name));
    return make("p", { class: "sides" }, side("a", names.a, names.pageA), side("b", names.b, names.pageB));
  }

  function line(row, widest) {
    const { test, ours, theirs, task } = row;
    const words = verdict(test);
    const number = (text) => make("td", { class: "n" }, text);
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, make("a", { href: task.page }, task.title), make("small", {}, task.metric)),
      number(percent(ours.score[0])),
      number(percent(theirs.score[0])),
      number(signed(test ? test.difference : ours.score[0] - theirs.score[0])),
      number(test && test.low !== null ? `${signed(test.low)} to ${signed(test.high)}` : "–"),
      make("td", {}, drawn(test, widest)),
      number(test ? chance(test.adjusted) : "–"),
      number(test ? [test.wins, test.ties, test.losses].map(whole).join(" / ") : "–"),
      make("td", {}, make("span", { class: `verdict ${words === "A is better" ? "to-a" : words === "B is better" ? "to-b" : ""}` }, words)),
    );
  }

  // The interval around the difference, with A's side on the right.
  function drawn(test, widest) {
    if (!test || test.low === null) return "";
    const at = (value) => 50 + (50 * value) / widest;
    const bar = make("i");
    bar.style.left = `${at(test.low)}%`;
    bar.style.width = `${at(test.high) - at(test.low)}%`;
    const dot = make("b");
    dot.style.left = `${at(test.difference)}%`;
    return make("span", { class: "apart", "aria-hidden": "true" }, bar, dot);
  }

  function details(row, names) {
    const box = make("details", {}, make("summary", {}, make("span", { class: "task-title" }, row.task.title), ` ${signed(row.ours.score[0] - row.theirs.score[0])}`));
    box.addEventListener("toggle", async () => {
      if (!box.open || box.childElementCount > 1) return;
      box.append(...slices(row), ...(await queries(row, names)));
    });
    return box;
  }

  // Each kind's share of the whole difference: its own difference, weighted by its queries.
  function slices({ ours, theirs }) {
    return Object.keys(ours.slices).filter((name) => theirs.slices[name]).map((name) => {
      const tags = Object.keys(ours.slices[name]).filter((tag) => theirs.slices[name][tag]);
      const parts = tags.map((tag) => {
        const [[a, n], [b]] = [ours.slices[name][tag], theirs.slices[name][tag]];
        return { tag, n, a, b, weight: n * (a - b) };
      });
      parts.sort((x, y) => Math.abs(y.weight) - Math.abs(x.weight));
      const heads = [name.replaceAll("_", " "), "Queries", "A", "B", "A − B"];
      const cells = (part) => [whole(part.n), percent(part.a), percent(part.b), signed(part.a - part.b)].map((text) => make("td", { class: "n" }, text));
      const table = make("table", {},
        make("thead", {}, make("tr", {}, ...heads.map((text, place) => make("th", { scope: "col", class: place ? "n" : null }, text)))),
        make("tbody", {}, ...parts.map((part) => make("tr", {}, make("th", { scope: "row" }, part.tag), ...cells(part)))));
      const title = `${ours.sliced} by ${name.replaceAll("_", " ")}, what moves the mean most first`;
      return make("div", { class: "scroll", role: "group", tabindex: "0", "aria-label": title }, make("table", {}, make("caption", {}, title), ...table.children));
    });
  }

  async function queries({ task, ours, theirs, test }, names) {
    if (!test) return [make("p", { class: "about" }, "The scores of single queries are not at hand for both models, so nothing is tested.")];
    const { ids } = await load(task.file);
    const [a, b] = [decode(ours), decode(theirs)];
    const rows = ids.map((id, place) => ({ id, apart: a[place] - b[place], a: a[place], b: b[place] })).filter((one) => one.apart);
    const list = (title, found) => make("div", {}, make("h3", {}, `${title} (${whole(found.length)})`),
      make("ul", { class: "ids" }, ...found.slice(0, LISTED).map((one) => make("li", {}, make("code", {}, one.id), ` ${percent(one.a)} : ${percent(one.b)}`))),
      found.length > LISTED ? make("p", { class: "about" }, `and ${whole(found.length - LISTED)} more`) : null);
    const by = (sign) => rows.filter((one) => sign * one.apart > 0).sort((x, y) => sign * (y.apart - x.apart));
    const explore = task.explore ? make("p", {}, make("a", { href: `${task.explore}#${new URLSearchParams({ a: names.a, b: names.b, show: "unlike" })}` }, "See such queries with their pictures")) : null;
    return [make("div", { class: "wins" }, list("Queries that A wins", by(1)), list("Queries that B wins", by(-1))), explore].filter(Boolean);
  }

  async function begin() {
    const index = await load(page.dataset.compare);
    const names = index.models.map((model) => nameOf(model, index.models));
    const set = () => {
      const [a, b] = chosen(names);
      fill(form.elements.a, names, a);
      fill(form.elements.b, names, b);
      return compare(index, names);
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", () => compare(index, names));
    form.querySelector("button").addEventListener("click", () => {
      [form.elements.a.value, form.elements.b.value] = [form.elements.b.value, form.elements.a.value];
      compare(index, names);
    });
    window.addEventListener("hashchange", set);
    form.hidden = false;
    await set();
  }

  begin().catch((error) => (status.textContent = `The data of this page could not be loaded (${error.message}).`));
})();
