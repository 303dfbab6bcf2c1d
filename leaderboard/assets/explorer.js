"use strict";

// The explorer of a task: other models than the first two, and only the queries that the reader asks for.
(() => {
  const { load, make, state, keep } = window.mbench;
  const page = document.querySelector("[data-explore]");
  const { root } = page.dataset;
  const form = page.querySelector("form");
  const status = page.querySelector("[role=status]");
  const questions = Array.from(page.querySelectorAll(".question"));

  // "12+ 7" is candidate 12, which answers the query, then candidate 7, which does not.
  function parse(text) {
    return text.split(" ").filter(Boolean).map((one) => ({ place: parseInt(one, 10), right: one.endsWith("+") }));
  }

  function thing([label, picture, words]) {
    const image = picture ? make("img", { src: root + picture, alt: words ? "" : label, loading: "lazy", decoding: "async" }) : null;
    return [image, words || !picture ? make("span", { class: "label" }, label) : null];
  }

  function found(data, { place, right }) {
    return make(
      "li",
      { class: `${right ? "right" : "wrong"}${data.things[place][1] ? " pic" : ""}` },
      make("span", { class: "verdict-mark", "aria-hidden": "true" }, right ? "✓" : "✗"),
      make("span", { class: "hidden" }, right ? "right: " : "wrong: "),
      ...thing(data.things[place]),
    );
  }

  function answer(question, side, model, tops, data) {
    const head = question.querySelector(`[data-side=${side}]`);
    head.querySelector(".who").textContent = model.name;
    head.nextElementSibling.replaceChildren(...tops.map((one) => found(data, one)));
  }

  const FILTERS = {
    "": () => true,
    unlike: (a, b) => a !== b,
    a: (a, b) => a && !b,
    b: (a, b) => b && !a,
    wrong: (a, b) => !a && !b,
    right: (a, b) => a && b,
  };

  function show(data) {
    const [a, b] = [form.elements.a, form.elements.b].map((select) => data.models[Number(select.value)]);
    const matches = FILTERS[form.elements.show.value];
    const kind = form.elements.kind.value;
    let left = 0;
    questions.forEach((question, place) => {
      const [ours, theirs] = [a, b].map((model) => parse(model.tops[place]));
      const kept = matches(Boolean(ours[0]?.right), Boolean(theirs[0]?.right)) && (!kind || data.queries[place].includes(kind));
      question.hidden = !kept;
      left += kept;
      if (!kept) return;
      answer(question, "a", a, ours, data);
      answer(question, "b", b, theirs, data);
    });
    const first = (model) => model.tops.filter((text) => parse(text)[0]?.right).length;
    status.textContent = `${left} of ${questions.length} queries. First candidate right: A ${first(a)}, B ${first(b)} of ${questions.length}.`;
    keep({ a: a.name, b: b.name, show: form.elements.show.value, kind });
  }

  function fill(select, data, name, otherwise) {
    const place = data.models.findIndex((model) => model.name === name);
    const chosen = place >= 0 ? place : otherwise;
    select.replaceChildren(...data.models.map((model, nth) => make("option", { value: nth, selected: nth === chosen }, model.name)));
  }

  function choose(select, value) {
    if (Array.from(select.options).some((option) => option.value === value)) select.value = value;
  }

  function restore(data) {
    const wanted = state();
    fill(form.elements.a, data, wanted.get("a"), 0);
    fill(form.elements.b, data, wanted.get("b"), 1);
    choose(form.elements.show, wanted.get("show") ?? "");
    choose(form.elements.kind, wanted.get("kind") ?? "");
    show(data);
  }

  async function begin() {
    const data = await load(page.dataset.explore, root);
    if (data.models.length < 2) return;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", () => show(data));
    window.addEventListener("hashchange", () => restore(data));
    form.hidden = false;
    restore(data);
  }

  begin().catch((error) => (status.textContent = `The data of this page could not be loaded (${error.message}).`));
})();
