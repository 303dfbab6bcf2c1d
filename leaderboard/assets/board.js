"use strict";

// The reader's choices: in the form, in the address, and from there in the table.
(() => {
  const { board, make } = window.mbench;
  if (!board) return;
  const place = document.getElementById("board");
  const form = place.querySelector("form");
  const tabs = place.querySelector(".views");
  const picker = place.querySelector(".picker");
  const said = place.querySelector(".said");
  const LISTS = new Set(["modality"]);
  const DEFAULTS = { q: "", modality: [], size: "", licence: "", open: "", instructions: "", zero: "", protocol: "", since: "", show: "score", published: "" };
  const start = board.views[0].id;
  let state = read();

  // The address after #: only what differs from the page as it opens. What it does not know is passed over.
  function read() {
    const found = new URLSearchParams(location.hash.slice(1));
    const view = board.views.find((one) => one.id === found.get("view")) || board.views[0];
    const asked = {};
    for (const [name, usual] of Object.entries(DEFAULTS)) asked[name] = LISTS.has(name) ? found.getAll(name) : found.get(name) ?? usual;
    if (!["score", "plain", "rank"].includes(asked.show)) asked.show = DEFAULTS.show;
    const known = (name) => found.getAll(name).filter((id) => board.all.has(id));
    const sort = found.get("sort");
    return { view, asked, hide: known("hide"), add: known("add"), sort: sort === "name" || board.all.has(sort) ? sort : "", up: found.get("order") === "up" };
  }

  function address(of = state) {
    const parts = new URLSearchParams();
    if (of.view.id !== start) parts.append("view", of.view.id);
    if (of.sort) parts.append("sort", of.sort);
    if (of.sort && of.up) parts.append("order", "up");
    for (const [name, usual] of Object.entries(DEFAULTS)) {
      if (LISTS.has(name)) for (const one of of.asked[name]) parts.append(name, one);
      else if (of.asked[name] !== usual) parts.append(name, of.asked[name]);
    }
    for (const id of of.hide) parts.append("hide", id);
    for (const id of of.add) parts.append("add", id);
    return `#${parts}`;
  }

  // Back and forward go from one table to another, and not from letter to letter.
  function go(change, step = true) {
    Object.assign(state, change);
    history[step ? "pushState" : "replaceState"](null, "", address());
    draw();
  }

  const candidates = () => [...state.view.columns, ...board.facts];
  function isShown(column) {
    if (state.hide.includes(column.id)) return false;
    if (state.add.includes(column.id)) return true;
    if (column.kind === "fact") return column.shown;
    return !state.view.shown || state.view.shown.includes(column);
  }

  function columns() {
    const { protocol } = state.asked;
    return candidates().filter((one) => isShown(one) && (!protocol || one.kind === "fact" || board.ofProtocol(one, protocol)));
  }

  // What the table shows now: also what is exported.
  function view() {
    const shown = columns();
    const scores = shown.filter((one) => one.kind !== "fact");
    const sort = state.sort === "name" ? null : shown.find((one) => one.id === state.sort) || scores[0] || null;
    const up = sort !== null && sort.id === state.sort ? state.up : sort === null && !(state.sort === "name" && !state.up);
    const ranked = sort && sort.kind !== "fact" ? sort : scores[0] || null;
    const rows = board.sorted(board.rows(scores, state.asked), sort, up, state.asked.zero);
    return { id: state.view.id, columns: shown, rows, sort, up, ranked, asked: state.asked };
  }

  function draw() {
    const now = view();
    board.draw(now);
    fill();
    const models = now.rows.filter((row) => row.kind === "model").length;
    said.textContent = `${models} of ${board.models.length} models, ${now.columns.length} columns${now.ranked ? `; ranks by ${now.ranked.full}` : ""}`;
    place.querySelector(".none-left").hidden = now.rows.length > 0;
    place.querySelector("[data-about]").textContent = state.view.about;
    place.querySelector("caption").textContent = `${state.view.title}: models and their scores`;
  }

  function fill() {
    for (const [name, usual] of Object.entries(DEFAULTS)) {
      for (const control of [form.elements[name]].flatMap((one) => (one instanceof RadioNodeList ? [...one] : [one]))) {
        if (control.type === "checkbox") control.checked = LISTS.has(name) ? state.asked[name].includes(control.value) : Boolean(state.asked[name]);
        else if (control.type === "radio") control.checked = control.value === state.asked[name];
        else if (control !== document.activeElement) control.value = state.asked[name];
        else if (control.value !== state.asked[name]) control.value = state.asked[name] ?? usual;
      }
    }
    const narrowed = Object.keys(DEFAULTS).filter((name) => !["q", "show", "published"].includes(name) && String(state.asked[name]) !== String(DEFAULTS[name]));
    place.querySelector("[data-narrowed]").textContent = narrowed.length ? ` (${narrowed.length})` : "";
    tabs.replaceChildren(...board.views.map((one) => {
      const link = make("a", { href: address({ ...state, view: one, sort: "" }), "aria-current": one === state.view ? "page" : null }, one.title);
      return make("li", {}, link, make("small", {}, String(one.columns.filter((column) => column.kind === "task" || one.id === "overview").length)));
    }));
    if (picker.closest("details").open) pick();
  }

  function pick() {
    const groups = new Map();
    for (const column of candidates()) {
      const title = column.kind === "fact" ? "About the model" : board.data.groups[column.group].title;
      groups.set(title, [...(groups.get(title) || []), column]);
    }
    const focused = document.activeElement?.value;
    const box = (column) => {
      const input = make("input", { type: "checkbox", value: column.id });
      input.checked = isShown(column);
      return make("label", {}, input, column.title);
    };
    const inside = picker.contains(document.activeElement);
    picker.replaceChildren(...[...groups].map(([title, list]) => make("fieldset", {}, make("legend", {}, title), ...list.map(box))));
    if (inside) [...picker.querySelectorAll("input")].find((one) => one.value === focused)?.focus();
  }

  function asked() {
    const values = new FormData(form);
    const found = {};
    for (const name of Object.keys(DEFAULTS)) found[name] = LISTS.has(name) ? values.getAll(name) : values.get(name) ?? "";
    return found;
  }

  function choose(id) {
    const column = board.all.get(id);
    const current = view().sort;
    const same = (current ? current.id : "name") === id;
    const down = column && (column.kind !== "fact" || column.numeric);
    go({ sort: id, up: same ? !view().up : !down });
    place.querySelector(`[data-sort="${CSS.escape(id)}"]`)?.focus();
  }

  function show(id, on) {
    const column = board.all.get(id);
    const without = (list) => list.filter((one) => one !== id);
    state.hide = without(state.hide);
    state.add = without(state.add);
    if (isShown(column) !== on) state[on ? "add" : "hide"].push(id);
    go({});
  }

  function options(name, values) {
    for (const value of [...new Set(values)].filter(Boolean).sort()) form.elements[name].append(make("option", { value }, value));
  }

  picker.closest("details").addEventListener("toggle", (event) => { if (event.target.open) pick(); });
  options("licence", board.models.map((row) => row.model.license));
  options("protocol", board.scores.map((one) => one.protocol));
  place.querySelector("[data-published]").hidden = board.published.size === 0;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    if (picker.contains(event.target)) show(event.target.value, event.target.checked);
    else go({ asked: asked() }, event.target.type !== "search");
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    go({ asked: { ...DEFAULTS, modality: [] }, hide: [], add: [] });
  });
  place.addEventListener("click", (event) => {
    const button = event.target.closest("[data-sort]");
    if (button) choose(button.dataset.sort);
    for (const menu of place.querySelectorAll("details[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  place.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest("details[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  window.addEventListener("popstate", () => {
    if (location.hash && !location.hash.includes("=")) return; // a place on the page, and no state of the table
    state = read();
    draw();
  });

  board.view = view;
  place.hidden = false;
  draw();
})();
