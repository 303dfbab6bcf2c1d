"use strict";

// Data of a page come as scripts, each of which calls mbenchData: from file:// a page may load scripts but not fetch.
(() => {
  const found = new Map();
  const asked = new Map();

  window.mbenchData = (kind, path, value) => {
    found.set(path, value);
  };

  // The value that the script at `path` (from the root of the site) hands over; loaded once.
  function load(path, root = "") {
    if (found.has(path)) return Promise.resolve(found.get(path));
    if (!asked.has(path)) {
      asked.set(path, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = root + path;
        script.addEventListener("load", () => (found.has(path) ? resolve(found.get(path)) : reject(new Error(path))));
        script.addEventListener("error", () => reject(new Error(path)));
        document.head.append(script);
      }));
    }
    return asked.get(path);
  }

  // An element with attributes, and children that are elements or text; text is never markup.
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  function state() {
    return new URLSearchParams(location.hash.slice(1));
  }

  // The state of the page is in its address, so that it can be sent to others; empty values are left out.
  function keep(values) {
    const parts = new URLSearchParams();
    for (const [name, value] of Object.entries(values)) if (value) parts.set(name, value);
    history.replaceState(null, "", `#${parts}`);
  }

  window.mbench = { load, make, state, keep };
})();
