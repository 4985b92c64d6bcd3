"use strict";

// The pages work without this script. It adds a theme switch and copy buttons, and shows the result
// of a form without loading the page again.
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
    });
    show();
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

  // Submit a form and replace the part of the page that it names in data-live. Form fields can
  // have any name and shadow the properties of the form, so its attributes are read instead.
  const submitInPlace = async (form, submitter) => {
    const attribute = (name) => form.getAttribute(name);
    const address = submitter?.getAttribute("formaction") || attribute("action");
    const options = { method: "POST", headers: { Accept: "text/html" } };
    const data = new FormData(form);
    const isFile = attribute("enctype") === "multipart/form-data";
    const id = attribute("data-live");
    if (submitter) submitter.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(address, {
        ...options,
        body: isFile ? data : new URLSearchParams(data),
      });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const part = page.getElementById(id);
      if (!part) throw new Error("the response is another page, such as a login form");
      const open = document.querySelector(`#${id} details`)?.open;
      document.getElementById(id).replaceWith(part);
      const details = part.querySelector("details");
      if (details && open) details.open = true;
      document.title = page.title;
      showCopyButtons(part);
      (part.querySelector("#result") || part).focus({ preventScroll: false });
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
    submitInPlace(form, submitter);
  });

  document.addEventListener("DOMContentLoaded", () => {
    setUpTheme();
    showCopyButtons(document);
  });
})();
