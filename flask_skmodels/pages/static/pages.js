"use strict";

// The pages work without this script. It adds a theme switch and copy buttons, shows the result of a
// form without loading the page again, and adds sliders and the list of the last answers.
(() => {
  const root = document.documentElement;
  const KEY = "skmodels-theme";

  const stored = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is disabled
    }
  };
  const isDark = () =>
    root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;

  const choose = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  };
  choose(stored()); // before the page is painted

  const setUpTheme = () => {
    const button = document.querySelector("[data-theme-switch]");
    const show = () => {
      button.textContent = isDark() ? "Light" : "Dark";
      button.setAttribute("aria-label", `Switch to the ${isDark() ? "light" : "dark"} theme`);
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      choose(isDark() ? "light" : "dark");
      try {
        localStorage.setItem(KEY, root.dataset.theme);
      } catch {
        // storage is disabled: the choice is kept for this page only
      }
      show();
      for (const frame of document.querySelectorAll("[data-fit]")) fit(frame);
    });
    show();
  };

  // The drawing of a pipeline is in a frame of its own: give it its height and the theme.
  const fit = (frame) => {
    const page = frame.contentDocument;
    if (!page?.querySelector(".sk-global, .sk-top-container")) return;
    page.documentElement.style.colorScheme = isDark() ? "dark" : "light";
    frame.style.height = `${page.body.offsetHeight + 20}px`; // with a scroll bar below it
  };
  const setUpFrames = () => {
    for (const frame of document.querySelectorAll("[data-fit]")) {
      const watch = () => {
        fit(frame);
        const body = frame.contentDocument?.body;
        if (body) new ResizeObserver(() => fit(frame)).observe(body);
      };
      frame.addEventListener("load", watch);
      if (frame.contentDocument?.readyState === "complete") watch();
    }
  };

  const copy = async (button) => {
    const code = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // clipboard not allowed: the user copies the selection
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  };

  const showCopyButtons = (within) => {
    if (!navigator.clipboard && !getSelection) return;
    for (const button of within.querySelectorAll("[data-copy]")) button.hidden = false;
  };

  // Send a form, and return the page in the response. Form fields can have any name and shadow the
  // properties of the form, so its attributes are read instead.
  const send = async (form, address) => {
    const data = new FormData(form);
    const isFile = form.getAttribute("enctype") === "multipart/form-data";
    return post(address, isFile ? data : new URLSearchParams(data));
  };
  const post = async (address, body) => {
    const headers = { Accept: "text/html" };
    const response = await fetch(address, { method: "POST", headers, body });
    return new DOMParser().parseFromString(await response.text(), "text/html");
  };
  const addressOf = (form, submitter) =>
    submitter?.getAttribute("formaction") || form.getAttribute("action");

  // The number of the last thing that the visitor did: a response to an earlier one is not shown.
  let latest = 0;
  let timer, isAsking, isStale;
  // The number of the last request that replaces each part; none if its form was changed since.
  const sent = new Map();

  // Submit a form and replace the parts of the page that it names in data-live.
  const submitInPlace = async (form, submitter) => {
    const mine = (latest += 1);
    isStale = false;
    clearTimeout(timer);
    const address = addressOf(form, submitter);
    const parts = submitter?.dataset.part || form.getAttribute("data-live");
    const ids = parts.split(" ");
    sent.set(parts, mine);
    if (submitter) submitter.setAttribute("aria-busy", "true");
    try {
      const page = await send(form, address);
      if (sent.get(parts) !== mine) return;
      for (const id of ids) {
        const part = page.getElementById(id);
        if (!part) throw new Error("the response is another page, such as a login form");
        const open = document.querySelector(`#${id} details`)?.open;
        document.getElementById(id).replaceWith(part);
        const details = part.querySelector("details");
        if (details && open) details.open = true;
        setUp(part);
      }
      document.title = page.title;
      remember();
      const [first] = ids.map((id) => document.getElementById(id));
      (first.querySelector("#result") || first).focus({ preventScroll: false });
    } catch {
      if (sent.get(parts) !== mine) return;
      form.setAttribute("action", address);
      HTMLFormElement.prototype.submit.call(form);
    } finally {
      submitter?.removeAttribute("aria-busy");
    }
  };

  // What if: a slider that moves changes the answer. One request at a time; the last position wins.
  const WAIT = 120; // milliseconds without a move
  const ask = async (form) => {
    if (isAsking) return void (isStale = true);
    isAsking = true;
    const mine = (latest += 1);
    try {
      const page = await send(form, addressOf(form));
      if (mine !== latest) return;
      for (const id of ["result", "code"]) {
        const [old, part] = [document.getElementById(id), page.getElementById(id)];
        if (!part) throw new Error("the response is another page, such as a login form");
        old.dataset.answer = part.dataset.answer || "";
        old.replaceChildren(...part.childNodes);
        showCopyButtons(old);
      }
      document.getElementById("moved").textContent = document.getElementById("result").dataset.answer;
    } catch {
      // the server cannot be reached or wants a login: the button of the form shows it
    } finally {
      isAsking = false;
      if (isStale) {
        isStale = false;
        ask(document.getElementById("row"));
      }
    }
  };
  const addSlider = (input) => {
    const [low, high, step] = input.dataset.slider.split(" ");
    const slider = document.createElement("input");
    const digits = Math.min(Math.max(0, -Math.floor(Math.log10(step))), 100);
    Object.assign(slider, { type: "range", className: "slider", min: low, max: high });
    const middle = (Number(low) + Number(high)) / 2; // an empty field is not 0
    Object.assign(slider, { step: "any", value: input.value || middle });
    slider.setAttribute("aria-label", `${input.labels[0].textContent.trim()}, slider`);
    slider.addEventListener("input", () => {
      const steps = Math.round((slider.value - low) / step) * step;
      const value = Math.min(Number(low) + steps, Number(high));
      input.value = Number(value.toFixed(digits));
      clearTimeout(timer);
      timer = setTimeout(() => ask(document.getElementById("row")), WAIT);
    });
    slider.addEventListener("keydown", (event) => {
      const direction = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[event.key];
      if (!direction) return;
      event.preventDefault(); // with step "any", browsers step by a hundredth of the range
      slider.value = Number(slider.value) + direction * step;
      slider.dispatchEvent(new Event("input"));
    });
    input.addEventListener("input", () => (slider.value = input.value || middle));
    input.after(slider);
    document.querySelector("[data-slider-note]").hidden = false;
  };

  // The last answers, in the storage of this tab.
  const MAX_ANSWERS = 8;
  const answersKey = () => `skmodels-answers:${location.pathname}`;
  const answers = () => {
    try {
      return JSON.parse(sessionStorage.getItem(answersKey())) || [];
    } catch {
      return []; // storage is disabled
    }
  };
  const controls = () =>
    [...document.querySelectorAll("#row .fields :is(input, select, textarea):not(.slider)")];
  const valueOf = (input) => (input.type === "checkbox" ? String(input.checked) : input.value);
  const remember = () => {
    const answer = document.getElementById("result")?.dataset.answer;
    if (answer) {
      const unkept = JSON.parse(document.getElementById("row").getAttribute("data-unkept"));
      const kept = controls().filter((input) => !unkept.includes(input.name));
      const values = kept.map((input) => [input.name, valueOf(input)]);
      const same = JSON.stringify(values);
      const others = answers().filter((each) => JSON.stringify(each.values) !== same);
      try {
        const list = [{ answer, values, time: Date.now() }, ...others].slice(0, MAX_ANSWERS);
        sessionStorage.setItem(answersKey(), JSON.stringify(list));
      } catch {
        // storage is disabled or full
      }
    }
    showAnswers();
  };
  const labelOf = (name) => {
    const [label] = controls().find((input) => input.name === name)?.labels || [];
    const texts = [...(label?.childNodes || [])].filter((node) => node.nodeType === Node.TEXT_NODE);
    return texts.map((node) => node.textContent).join("").trim() || name;
  };
  const fillIn = (values) => {
    const known = new Map(values);
    for (const input of controls()) {
      if (!known.has(input.name)) continue;
      if (input.type === "checkbox") input.checked = known.get(input.name) === "true";
      else input.value = known.get(input.name);
      input.dispatchEvent(new Event("input"));
    }
  };
  const showAnswers = () => {
    const section = document.getElementById("answers");
    if (!section) return;
    const kept = answers();
    const items = kept.map(({ answer, values, time }, index) => {
      const before = new Map(kept[index + 1]?.values);
      const isChanged = ([name, value]) => before.has(name) && before.get(name) !== value;
      const [item, button, note] = ["li", "button", "span"].map((tag) => document.createElement(tag));
      const changes = values
        .filter(isChanged)
        .map(([name, value]) => `${labelOf(name)}: ${value || "empty"}`);
      const clock = new Date(time).toLocaleTimeString();
      Object.assign(button, { type: "button", className: "quiet", textContent: answer });
      Object.assign(note, { className: "note", textContent: [clock, ...changes].join(" · ") });
      button.addEventListener("click", () => {
        fillIn(values);
        submitInPlace(document.getElementById("row"));
      });
      item.append(button, note);
      return item;
    });
    section.querySelector("ol").replaceChildren(...items);
    section.hidden = !items.length;
  };

  // A file that is chosen or dropped: its columns are checked, with its beginning only.
  const BEGINNING = 65536; // bytes
  const checkColumns = async (input) => {
    const [form, check] = [input.form, document.getElementById("check")];
    const [file] = input.files;
    const part = document.getElementById("file-columns");
    part.replaceChildren();
    document.getElementById("file-result").replaceChildren();
    const mine = (latest += 1);
    if (!file) return;
    const data = new FormData(form);
    data.set(input.name, new File([file.slice(0, BEGINNING)], file.name, { type: file.type }));
    try {
      const page = await post(check.getAttribute("formaction"), data);
      if (mine !== latest) return;
      for (const id of ["file-columns", "file-result"]) {
        document.getElementById(id).replaceChildren(...page.getElementById(id).childNodes);
      }
    } catch {
      // the button also checks the columns, and shows what is wrong
    }
  };
  const setUpFiles = () => {
    const [input, card] = ["#file", "[data-drop]"].map((each) => document.querySelector(each));
    if (!input || !card) return;
    for (const each of card.querySelectorAll("[data-script]")) each.hidden = false;
    input.addEventListener("change", () => checkColumns(input));
    const mark = (event) => {
      const isOver = event.type === "dragover" && event.dataTransfer.types.includes("Files");
      if (isOver) event.preventDefault();
      card.classList.toggle("drop", isOver);
    };
    for (const type of ["dragover", "dragleave", "dragend"]) card.addEventListener(type, mark);
    card.addEventListener("drop", (event) => {
      mark(event);
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  };

  const setUp = (within) => {
    showCopyButtons(within);
    for (const input of within.querySelectorAll("[data-slider]")) addSlider(input);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });

  // A response must not replace what the visitor has typed since then.
  const onEdit = (event) => {
    const row = event.target.closest("#row");
    if (row) sent.delete(row.getAttribute("data-live"));
  };
  document.addEventListener("input", onEdit, { capture: true });

  // Also for a form that another script sends.
  document.addEventListener("submit", () => (latest += 1), { capture: true });

  document.addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    if (!form.hasAttribute("data-live") || submitter?.hasAttribute("data-plain")) return;
    event.preventDefault();
    submitInPlace(form, submitter);
  });

  document.addEventListener("DOMContentLoaded", () => {
    setUpTheme();
    setUp(document);
    setUpFiles();
    setUpFrames();
    for (const button of document.querySelectorAll("[data-print]")) {
      button.hidden = false;
      button.addEventListener("click", () => print());
    }
    remember();
  });
})();
