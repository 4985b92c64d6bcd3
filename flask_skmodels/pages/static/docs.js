"use strict";

// Use the theme that was chosen on the other pages, or else that of the system.
const chosenTheme = () => {
  try {
    return localStorage.getItem("skmodels-theme");
  } catch {
    return null; // storage is disabled
  }
};
const isDark = () => {
  const theme = chosenTheme();
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};
document.documentElement.classList.toggle("dark-mode", isDark()); // before the page is painted

document.addEventListener("DOMContentLoaded", () => {
  const container = document.getElementById("docs");
  window.SwaggerUIBundle({
    url: container.dataset.document,
    domNode: container,
    presets: [window.SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
  });
});
