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
  const none = place.querySelector(".none-left");
  let state = read();

  // The address after #: only what differs from the page as it opens. What it does not know is passed over.
  function read() {
    const found = new URLSearchParams(location.hash.slice(1));
    const view = board.views.find((one) => one.id === found.get("view")) || board.opening;
    const asked = {};
    for (const [name, usual] of Object.entries(DEFAULTS)) asked[name] = LISTS.has(name) ? found.getAll(name) : found.get(name) ?? usual;
    if (!["score", "plain", "rank"].includes(asked.show)) asked.show = DEFAULTS.show;
    const known = (name) => found.getAll(name).filter((id) => board.all.has(id));
    const sort = found.get("sort");
    return { view, asked, hide: known("hide"), add: known("add"), sort: sort === "name" || board.all.has(sort) ? sort : "", up: found.get("order") === "up" };
  }

  function address(of = state) {
    const parts = new URLSearchParams();
    if (of.view !== board.opening) parts.append("view", of.view.id);
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
    const usual = !state.view.shown || state.view.shown.includes(column);
    return column.kind === "fact" ? column.shown || Boolean(state.view.shown && usual) : usual;
  }

  const ofProtocol = (columns, { protocol }) => columns.filter((one) => !protocol || one.kind === "fact" || board.ofProtocol(one, protocol));
  const columns = (asked) => ofProtocol(candidates().filter(isShown), asked);

  function rows(asked, scores = columns(asked).filter((one) => one.kind !== "fact")) {
    return board.rows(scores, asked, state.view.everybody ? ofProtocol(board.scores, asked) : scores);
  }

  // What the table shows now: also what is exported. Only a column that places somebody sorts the page as it opens.
  function view() {
    const { asked } = state;
    const shown = columns(asked);
    const scores = shown.filter((one) => one.kind !== "fact");
    const found = rows(asked, scores);
    const placing = scores.filter((one) => board.places(one, found, asked.zero));
    const sort = state.sort === "name" ? null : shown.find((one) => one.id === state.sort) || placing[0] || scores.find((one) => found.some((row) => board.has(row, one, asked.zero))) || null;
    const up = sort !== null && sort.id === state.sort ? state.up : sort === null && !(state.sort === "name" && !state.up);
    const ranked = placing.includes(sort) ? sort : placing[0] || null;
    return { id: state.view.id, columns: shown, rows: board.sorted(found, sort, up, asked.zero), sort, up, ranked, asked };
  }

  // A row is a revision of a model; where models have one each, rows are models.
  function counted(found) {
    const models = new Set(board.models.map((row) => row.model.id)).size;
    const all = board.models.length;
    const left = found.filter((row) => row.kind === "model").length;
    return all === models ? `${left} of ${all} model${all === 1 ? "" : "s"}` : `${left} of ${all} revisions of ${models} models`;
  }

  function tell(now) {
    said.textContent = `${counted(now.rows)}, ${now.columns.length} columns${now.ranked ? `; ranks by ${now.ranked.full}` : ""}`;
    none.hidden = now.rows.length > 0;
    if (none.hidden) return;
    const { text, action, change } = board.whyNone(form, state.asked, DEFAULTS, (asked) => rows(asked).length);
    none.querySelector("span").textContent = text;
    none.querySelector("button").textContent = action;
    none.querySelector("button").onclick = () => {
      go(change);
      form.elements.q.focus();
    };
  }

  function draw() {
    const now = view();
    board.draw(now);
    fill();
    tell(now);
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
    place.querySelector("[data-narrowed]").textContent = narrowed.length ? `(${narrowed.length})` : "";
    tabs.replaceChildren(...board.views.map((one) => {
      const link = make("a", { href: address({ ...state, view: one, sort: "" }), "aria-current": one === state.view ? "page" : null }, one.title);
      return make("li", {}, link, make("small", {}, String((one.shown || one.columns).filter((column) => column.kind === (one.everybody ? "mean" : "task")).length)));
    }));
    if (tabs.scrollWidth > tabs.clientWidth) tabs.scrollLeft = tabs.querySelector("[aria-current]").offsetLeft - tabs.offsetLeft - 32;
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
