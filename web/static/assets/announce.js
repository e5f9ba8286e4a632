// Telling people what happened: aloud for screen readers, and as notices at the top of the page.

import { byId, icon, make } from "./dom.js";

const most = 3;

/**
 * Has a screen reader say something that is on the page already, or needs no place there.
 * @param {string} text
 */
export function announce(text) {
  const announcer = byId("announcer", HTMLParagraphElement);
  // The same text twice in a row is only spoken again when the element has changed in between.
  announcer.textContent = "";
  requestAnimationFrame(() => {
    announcer.textContent = text;
  });
}

/**
 * Shows an error until it is closed or pushed out by later ones.
 * @param {string} text
 */
export function complain(text) {
  const notices = byId("notices", HTMLDivElement);
  for (const old of notices.children) {
    if (old.firstElementChild?.textContent === text) {
      old.remove();
    }
  }
  const close = make("button", { type: "button", class: "quiet bare", "aria-label": "Close this message" }, icon("close"));
  const notice = make("div", { class: "notice bad", role: "alert" }, make("p", {}, text), close);
  close.addEventListener("click", () => notice.remove());
  notices.append(notice);
  while (notices.children.length > most) {
    notices.firstElementChild?.remove();
  }
}

/** Removes every notice. */
export function clearNotices() {
  byId("notices", HTMLDivElement).replaceChildren();
}
