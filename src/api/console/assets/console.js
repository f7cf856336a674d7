// The console's own behaviour: live refresh, keyboard, drawer, and small comforts. htmx does the rest.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const root = document.documentElement;

// Theme: the system's, unless chosen here.
const theme = localStorage.getItem("theme");
if (theme) root.dataset.theme = theme;
$("#theme")?.addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});

// Times in the reader's words.
function relative(within = document) {
  const words = new Intl.RelativeTimeFormat(root.lang, { numeric: "auto", style: "short" });
  for (const time of $$("time[data-relative]", within)) {
    const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
    const [unit, size] = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]]
      .find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
    time.textContent = words.format(Math.round(seconds / size), unit);
    time.title = new Date(time.dateTime).toLocaleString(root.lang);
  }
}

// Which item of the queue is open.
function current() {
  const open = $("#detail article")?.dataset.id;
  document.body.classList.toggle("reading", Boolean($("#detail article")));
  for (const item of $$(".item")) item.toggleAttribute("data-open", item.dataset.id === open);
}

// The live queue. The browser connects again by itself; the state is shown.
const live = $("#live");
if (live) {
  let waiting;
  const refresh = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => htmx.trigger("#list", "refresh"), 150);
  };
  const source = new EventSource("/console/events");
  source.onopen = () => { live.textContent = live.dataset.live; live.classList.add("on"); refresh(); };
  source.onerror = () => { live.textContent = live.dataset.offline; live.classList.remove("on"); };
  source.addEventListener("suggestion.created", refresh);
  source.addEventListener("suggestion.feedback", refresh);
  setInterval(relative, 30000);
}

// An edited draft says so on its button.
document.addEventListener("input", (event) => {
  if (event.target.id !== "text") return;
  const accept = $("#accept");
  const edited = event.target.value.trim() !== event.target.defaultValue.trim();
  const { accept: plain, acceptEdited } = document.body.dataset;
  accept.dataset.plain ??= accept.textContent;
  accept.textContent = edited ? acceptEdited : accept.dataset.plain || plain;
});

function askWhy(show) {
  const why = $("#why");
  if (!why) return;
  why.hidden = !show;
  if (show) $("#reason").focus();
}

document.addEventListener("click", (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const from = $(copy.dataset.copy);
    navigator.clipboard?.writeText(from.value ?? from.textContent).then(() => {
      const label = copy.textContent;
      copy.textContent = document.body.dataset.copied;
      setTimeout(() => { copy.textContent = label; }, 1200);
    });
  } else if (event.target.closest("#reject")) askWhy($("#why").hidden);
  else if (event.target.closest("#cancel")) askWhy(false);
  else if (event.target.closest("[data-reason]")) $("#reason").value = event.target.closest("[data-reason]").dataset.reason;
  else if (event.target.closest("#help")) $("#shortcuts").showModal();
  else if (event.target.tagName === "DIALOG") event.target.close();
});

function move(step) {
  const items = $$(".item");
  const at = items.findIndex((item) => item.hasAttribute("data-open"));
  const next = items[at < 0 ? 0 : Math.min(Math.max(at + step, 0), items.length - 1)];
  next?.click();
  next?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("#accept")?.click();
    return;
  }
  if (event.target.matches("input, textarea")) {
    if (event.key === "Escape") event.target.blur();
    if (event.key === "Enter" && event.target.id === "reason") {
      event.preventDefault();
      $("#why button[value=rejected]").click();
    }
    return;
  }
  if ($("dialog[open]")) return;
  const act = {
    j: () => move(1),
    k: () => move(-1),
    a: () => $("#accept")?.click(),
    e: () => {
      const text = $("#text");
      text?.focus();
      text?.setSelectionRange(text.value.length, text.value.length);
    },
    r: () => askWhy(true),
    "?": () => $("#shortcuts")?.showModal(),
  }[event.key];
  const source = /^[1-9]$/.test(event.key) ? $$("ol.sources .source")[event.key - 1] : undefined;
  if (act || source) {
    event.preventDefault();
    (act ?? (() => source.click()))();
  }
});

document.addEventListener("htmx:afterSwap", (event) => {
  relative();
  current();
  if (event.detail.target.id === "passage-body") {
    $("#passage").showModal();
    $("#passage mark")?.scrollIntoView({ block: "center" });
  }
  if (event.detail.target.id === "detail") event.detail.target.scrollTop = 0;
});

relative();
current();
