"use strict";

// The pages work without this file. With it the theme is switched, code is copied, and a form is
// answered in place.
(() => {
  const root = document.documentElement;
  const KEY = "skmodels-theme";

  const stored = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off
    }
  };
  const isDark = () =>
    root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;

  const choose = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  };
  choose(stored()); // before anything is painted

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
        // it holds for this page
      }
      show();
    });
    show();
  };

  const copy = async (button) => {
    const code = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // not a secure page: to be copied by hand
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  };

  const reveal = (within) => {
    if (!navigator.clipboard && !getSelection) return;
    for (const button of within.querySelectorAll("[data-copy]")) button.hidden = false;
  };

  // Answer a form in place: the part of the page that it names is replaced. Inputs may have any
  // name, and hide what a form has under it.
  const answer = async (form, submitter) => {
    const own = (name) => form.getAttribute(name);
    const address = submitter?.getAttribute("formaction") || own("action");
    const options = { method: "POST", headers: { Accept: "text/html" } };
    const data = new FormData(form);
    const isFile = own("enctype") === "multipart/form-data";
    const id = own("data-live");
    if (submitter) submitter.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(address, {
        ...options,
        body: isFile ? data : new URLSearchParams(data),
      });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const part = page.getElementById(id);
      if (!part) throw new Error("another page has come");
      const open = document.querySelector(`#${id} details`)?.open;
      document.getElementById(id).replaceWith(part);
      const details = part.querySelector("details");
      if (details && open) details.open = true;
      document.title = page.title;
      reveal(part);
      (part.querySelector("#answer") || part).focus({ preventScroll: false });
    } catch {
      form.setAttribute("action", address);
      HTMLFormElement.prototype.submit.call(form);
    } finally {
      submitter?.removeAttribute("aria-busy");
    }
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });

  document.addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    if (!form.hasAttribute("data-live") || submitter?.hasAttribute("data-plain")) return;
    event.preventDefault();
    answer(form, submitter);
  });

  document.addEventListener("DOMContentLoaded", () => {
    setUpTheme();
    reveal(document);
  });
})();
