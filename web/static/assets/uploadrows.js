// The list of videos on their way, with progress, cancel and retry.

import { actionButton, byId, make, say } from "./dom.js";
import { size, wait } from "./format.js";

/** @typedef {import("./uploads.js").Job} Job */

/** Too early to tell how long the rest will take. */
const guessAfterMilliseconds = 2000;

class UploadRow {
  /**
   * @param {Job} job
   * @param {{cancel: (job: Job) => void, retry: (job: Job) => void}} on
   */
  constructor(job, on) {
    const { name } = job.file;
    this.words = make("p", { class: "facts" });
    this.bar = make("progress", { max: "1", value: "0", "aria-label": `Sending ${name}` });
    this.retry = actionButton("retry", "Try again", `to send ${name}`, () => on.retry(job));
    this.cancel = actionButton("close", "Cancel", name, () => on.cancel(job));
    this.element = make("li", { class: "row sending" },
      make("p", { class: "name" }, name),
      this.bar, this.words,
      make("div", { class: "actions" }, this.retry, this.cancel));
  }

  /** @param {Job} job */
  update(job) {
    const failed = job.state === "failed";
    this.element.classList.toggle("failed", failed);
    this.bar.hidden = failed;
    this.bar.value = job.sent / job.file.size;
    this.retry.hidden = !failed;
    say(this.words, words(job));
  }
}

/** @param {Job} job */
function words(job) {
  switch (job.state) {
    case "waiting":
      return `Waits for its turn · ${size(job.file.size)}`;
    case "failed":
      return job.message;
    default: {
      const said = `${size(job.sent)} of ${size(job.file.size)}`;
      const elapsed = performance.now() - job.startedAt;
      if (job.sent === 0 || elapsed < guessAfterMilliseconds) {
        return said;
      }
      const left = (elapsed / job.sent) * (job.file.size - job.sent) / 1000;
      return left < 1 ? said : `${said} · about ${wait(left)} left`;
    }
  }
}

/** Shows the queue. */
export class UploadRows {
  #section = byId("uploads", HTMLDivElement);
  #list = byId("upload-rows", HTMLUListElement);
  /** @type {Map<number, UploadRow>} */
  #rows = new Map();
  #on;

  /** @param {{cancel: (job: Job) => void, retry: (job: Job) => void}} on */
  constructor(on) {
    this.#on = on;
  }

  /** @param {Job} job */
  update(job) {
    let row = this.#rows.get(job.id);
    if (row === undefined) {
      row = new UploadRow(job, this.#on);
      this.#rows.set(job.id, row);
      this.#list.append(row.element);
      this.#section.hidden = false;
    }
    row.update(job);
  }

  /** @param {Job} job */
  remove(job) {
    const row = this.#rows.get(job.id);
    this.#rows.delete(job.id);
    const hadFocus = row?.element.contains(document.activeElement) ?? false;
    row?.element.remove();
    this.#section.hidden = this.#rows.size === 0;
    if (hadFocus) {
      byId("chooser", HTMLInputElement).focus();
    }
  }
}
