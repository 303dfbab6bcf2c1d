"use strict";

// Why the table is empty: which filter leaves no row, and what to change so that there are rows again.
(() => {
  const { board } = window.mbench;
  if (!board) return;
  const SHOWS = new Set(["show", "published"]); // how and what else is shown: they take nothing away
  const LISTED = { size: "size", licence: "licence", instructions: "instructions", zero: "zero-shot", protocol: "protocol" };

  function told(form, name, value) {
    if (name === "q") return `the words “${value}”`;
    if (name === "modality") return `embeds ${value.join(", ")}`;
    if (name === "open") return "open weights only";
    if (name === "since") return `run since ${value}`;
    const option = [...form.elements[name].options].find((one) => one.value === value);
    return `${LISTED[name]} ${option ? option.text : value}`;
  }

  // `count` tells how many rows there are for other wishes than `asked`.
  board.whyNone = (form, asked, usual, count) => {
    const active = Object.keys(usual).filter((name) => !SHOWS.has(name) && String(asked[name]) !== String(usual[name]));
    const without = (names) => ({ ...asked, ...Object.fromEntries(names.map((name) => [name, usual[name]])) });
    const words = (names) => names.map((name) => told(form, name, asked[name])).join(" and ");
    const alone = active.find((name) => count(without([name])) > 0);
    if (alone && active.length > 1) {
      const other = active.filter((name) => name !== alone);
      return { text: `No model fits both ${words([alone])} and ${words(other)}.`, action: `Clear ${words([alone])}`, change: { asked: without([alone]) } };
    }
    if (active.length && count(without(active)) > 0) {
      return { text: `No model fits ${words(active)}.`, action: active.length > 1 ? "Clear these filters" : "Clear this filter", change: { asked: without(active) } };
    }
    return { text: "All columns of scores are hidden.", action: "Show the usual columns", change: { hide: [], add: [], asked: without(active) } };
  };
})();
