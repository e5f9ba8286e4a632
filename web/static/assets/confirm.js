// A question that must be answered before something is lost.

import { byId, say } from "./dom.js";

/** Takes back a question that no longer matters; the answer is no. */
export function dismiss() {
  byId("confirm", HTMLDialogElement).close();
}

/**
 * Asks, and resolves with whether the answer was yes. Escape is no. The browser keeps the focus inside meanwhile and
 * gives it back afterwards.
 * @param {{title: string, words: string, yes: string, no: string}} question
 * @returns {Promise<boolean>}
 */
export function confirm({ title, words, yes, no }) {
  const dialog = byId("confirm", HTMLDialogElement);
  const yesButton = byId("confirm-yes", HTMLButtonElement);
  const noButton = byId("confirm-no", HTMLButtonElement);
  say(byId("confirm-title", HTMLHeadingElement), title);
  say(byId("confirm-words", HTMLParagraphElement), words);
  say(yesButton, yes);
  say(noButton, no);
  dialog.returnValue = "";
  return new Promise((resolve) => {
    yesButton.onclick = () => dialog.close("yes");
    noButton.onclick = () => dialog.close("");
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
    noButton.focus();
  });
}
