"use strict";

// Progress while a file is sent and predicted. Without this script, or if anything goes wrong, the
// form is sent as usual and the next page shows the result.
(() => {
  const PROGRESS = "progress";

  const addressOf = (form, submitter) => {
    const address = submitter?.getAttribute("formaction") || form.getAttribute("action");
    return new URL(address, document.baseURI);
  };

  // The element that shows the progress, in the place of the result.
  const shownIn = (part) => {
    const [box, bar, line] = ["div", "progress", "p"].map((tag) => document.createElement(tag));
    box.className = "progress";
    bar.setAttribute("aria-label", "Progress of the file");
    line.setAttribute("role", "status");
    box.append(bar, line);
    part.replaceChildren(box);
    return (text, done, total) => {
      line.textContent = text;
      if (!total) return bar.removeAttribute("value");
      bar.max = total;
      bar.value = done;
    };
  };

  const replace = (ids, html) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    const parts = ids.map((id) => page.getElementById(id));
    if (parts.includes(null)) throw new Error("the response is another page, such as a login form");
    for (const part of parts) document.getElementById(part.id).replaceWith(part);
    document.title = page.title;
    parts[0].focus({ preventScroll: false });
  };

  const send = (form, submitter) => {
    const [address, request] = [addressOf(form, submitter), new XMLHttpRequest()];
    const ids = form.getAttribute("data-live").split(" ");
    const show = shownIn(document.getElementById(ids[0]));
    const sendAsUsual = () => {
      form.setAttribute("action", address);
      HTMLFormElement.prototype.submit.call(form);
    };
    let read = 0; // characters of the response

    const readLines = () => {
      const end = request.responseText.lastIndexOf("\n") + 1;
      const lines = request.responseText.slice(read, end).split("\n");
      read = end;
      for (const line of lines.filter(Boolean).map((each) => JSON.parse(each))) {
        if ("page" in line) return line.page;
        show(line.text, line.rows, line.total);
      }
    };
    const finish = () => {
      try {
        const isProgress = request.getResponseHeader("Content-Type")?.includes("ndjson");
        replace(ids, isProgress ? readLines() : request.responseText);
      } catch {
        sendAsUsual();
      }
      submitter?.removeAttribute("aria-busy");
    };

    const streamed = new URL(address);
    streamed.searchParams.set(PROGRESS, "1");
    request.open("POST", streamed);
    request.setRequestHeader("Accept", "text/html");
    request.upload.addEventListener("progress", ({ loaded, total, lengthComputable }) => {
      const percent = lengthComputable ? `, ${Math.floor((loaded / total) * 100)}%` : "";
      show(loaded === total ? "Reading the file" : `Sending the file${percent}`, loaded, total);
    });
    request.addEventListener("readystatechange", () => {
      const isPartial = request.readyState === XMLHttpRequest.LOADING;
      const isProgress = request.getResponseHeader("Content-Type")?.includes("ndjson");
      if (isPartial && isProgress && !request.responseText.includes('"page":')) readLines();
    });
    request.addEventListener("load", finish);
    request.addEventListener("error", sendAsUsual);
    submitter?.setAttribute("aria-busy", "true");
    show("Sending the file");
    request.send(new FormData(form));
  };

  // Before the listener of pages.js, which sends other forms.
  document.addEventListener(
    "submit",
    (event) => {
      const { target: form, submitter } = event;
      const isPlain = ["data-plain", "data-part"].some((name) => submitter?.hasAttribute(name));
      if (!form.hasAttribute("data-progress") || isPlain) return;
      event.preventDefault();
      event.stopPropagation();
      send(form, submitter);
    },
    { capture: true },
  );
})();
