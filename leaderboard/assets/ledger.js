"use strict";

// The filter of the ledger: by words and by status, with its state in the address. Without it the page shows all.
(() => {
  const form = document.querySelector(".ledger-tools");
  if (!form) return;
  const said = form.querySelector("output");
  const none = document.querySelector(".none-left");
  const index = document.querySelector(".families");
  const key = document.querySelector(".key");
  const total = document.querySelectorAll(".ledger [data-status]").length;
  const families = [...document.querySelectorAll(".family")].map(family);

  function words(element) {
    return `${element.textContent} ${element.dataset.words || ""} `;
  }

  // Each number with all words that tell of it: its family, its table, its row and its column.
  function family(section) {
    const title = section.querySelector("h2");
    const link = index.querySelector(`a[href="#${CSS.escape(title.id)}"]`).parentElement;
    const tables = [...section.querySelectorAll(".block")].map((block) => table(block, words(title) + words(block.querySelector("h3")) + (block.dataset.words || "")));
    return { section, link, tables };
  }

  function table(block, told) {
    const [head, ...rows] = block.querySelector("table").rows;
    const heads = [...head.cells];
    const lines = rows.map((row) => ({ row, numbers: [...row.cells].slice(1).map((cell, at) => number(cell, told + words(row.cells[0]) + words(heads[at + 1]))) }));
    return { block, heads, lines };
  }

  function number(cell, told) {
    const measured = cell.querySelector(".ours") !== null;
    const statuses = cell.dataset.status ? [...cell.querySelectorAll(".mark")].map((one) => one.textContent) : [];
    if (cell.dataset.status) statuses.push(...(measured ? ["measured"] : [cell.dataset.status]));
    return { cell, statuses, told: `${told} ${cell.textContent} ${statuses.join(" ")}`.toLowerCase() };
  }

  function fits({ statuses, told }, { terms, status }) {
    return statuses.length > 0 && (!status || statuses.includes(status)) && terms.every((term) => told.includes(term));
  }

  // Leaves out rows and columns in which nothing fits, and blanks what else does not; returns how many numbers fit.
  function narrow({ block, heads, lines }, wanted) {
    const used = new Set();
    let left = 0;
    for (const { row, numbers } of lines) {
      const fitting = numbers.map((one) => fits(one, wanted));
      numbers.forEach(({ cell }, at) => cell.classList.toggle("out", wanted.on && !fitting[at]));
      fitting.forEach((fit, at) => fit && used.add(at));
      row.hidden = wanted.on && !fitting.includes(true);
      left += fitting.filter(Boolean).length;
    }
    heads.slice(1).forEach((head, at) => {
      for (const cell of [head, ...lines.map(({ numbers }) => numbers[at].cell)]) cell.hidden = wanted.on && !used.has(at);
    });
    block.hidden = left === 0;
    return left;
  }

  function asked() {
    const found = new URLSearchParams(location.hash.slice(1));
    return { q: found.get("q") || "", status: found.get("status") || "" };
  }

  function draw({ q, status }) {
    const terms = q.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = { terms, status, on: terms.length > 0 || status !== "" };
    let left = 0;
    for (const { section, link, tables } of families) {
      const found = tables.reduce((sum, one) => sum + narrow(one, wanted), 0);
      section.hidden = found === 0;
      link.hidden = found === 0;
      left += found;
    }
    said.textContent = wanted.on ? `${left} of ${total} published numbers` : "";
    none.hidden = left > 0;
    key.hidden = wanted.on; // what was asked for stands right below the filter
    for (const [name, value] of Object.entries({ q, status })) {
      if (form.elements[name] !== document.activeElement) form.elements[name].value = value;
    }
  }

  function go(values) {
    const parts = new URLSearchParams(Object.entries(values).filter(([, value]) => value));
    history.replaceState(null, "", `#${parts}`);
    draw(values);
  }

  function clear() {
    form.elements.q.focus();
    form.elements.q.value = "";
    go({ q: "", status: "" });
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => go({ q: form.elements.q.value, status: form.elements.status.value }));
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    clear();
  });
  none.querySelector("button").addEventListener("click", clear);
  // A place on the page would take the filter's place in the address.
  index.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || !location.hash.includes("=")) return;
    event.preventDefault();
    document.getElementById(link.hash.slice(1)).scrollIntoView();
  });
  window.addEventListener("popstate", () => {
    if (!location.hash || location.hash.includes("=")) draw(asked());
  });
  form.hidden = false;
  draw(asked());
})();
