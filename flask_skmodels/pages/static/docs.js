"use strict";

// Light or dark as the other pages are: what their switch was set to, else as the system is.
const chosenTheme = () => {
  try {
    return localStorage.getItem("skmodels-theme");
  } catch {
    return null; // storage is switched off
  }
};
const isDark = () => {
  const theme = chosenTheme();
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};
document.documentElement.classList.toggle("dark-mode", isDark()); // before anything is painted

document.addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("docs");
  window.SwaggerUIBundle({
    url: place.dataset.document,
    domNode: place,
    presets: [window.SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
  });
});
