// The list of a person's files: one row each, updated in place so that focus and playback stay where they are.

import { actionButton, byId, icon, make, say } from "./dom.js";
import { clock, day, moment, size } from "./format.js";
import { describe } from "./options.js";
import { Player } from "./player.js";

/**
 * @typedef {import("./api.js").FileRecord} FileRecord
 * @typedef {import("./api.js").State} State
 *
 * @typedef {object} Actions What a row's buttons do.
 * @property {(file: FileRecord) => Promise<string>} link A fresh link to the MP3; rejects after having said why.
 * @property {(file: FileRecord) => void} download
 * @property {(file: FileRecord) => void} remove
 */

/** @type {Record<State, {icon: string, words: string}>} */
const states = {
  awaiting_upload: { icon: "arrow-up", words: "Its video has not arrived" },
  queued: { icon: "clock", words: "In the queue" },
  converting: { icon: "wave", words: "Converting" },
  ready: { icon: "check", words: "Ready" },
  failed: { icon: "alert", words: "Failed" },
  expired: { icon: "gone", words: "No longer kept" },
};

class FileRow {
  /** @type {State | undefined} */
  #state;
  #file;

  /**
   * @param {FileRecord} file
   * @param {Actions} actions
   */
  constructor(file, actions) {
    this.#file = file;
    const { fid, filename } = file;
    this.badge = make("span", { class: "badge" });
    this.stateWords = make("p", { class: "state" });
    this.bar = make("progress", { max: "100", "aria-label": `Converting ${filename}` });
    this.error = make("p", { class: "why" });
    this.facts = make("p", { class: "facts" });
    this.player = new Player(filename, () => actions.link(this.#file));
    this.download = actionButton("download", "Download", filename, () => actions.download(this.#file));
    this.remove = actionButton("trash", "Delete", filename, () => actions.remove(this.#file));
    this.remove.classList.add("compact");
    this.remove.title = "Delete";
    this.element = make("li", { class: "row file", "data-fid": fid, tabindex: "-1" },
      this.badge,
      make("div", { class: "what" },
        make("p", { class: "name", id: `name-${fid}` }, filename),
        this.stateWords, this.bar, this.error, this.facts),
      make("div", { class: "actions" }, this.player.button, this.download),
      this.remove,
      this.player.stage);
  }

  /** @param {FileRecord} file */
  update(file) {
    this.#file = file;
    const { state, progress } = file;
    if (state !== this.#state) {
      this.#state = state;
      this.element.dataset.state = state;
      this.badge.replaceChildren(icon(states[state].icon));
      if (state !== "ready") {
        this.player.close();
      }
    }
    const converting = state === "converting";
    say(this.stateWords, converting ? `${states[state].words}, ${progress}\u00a0%` : states[state].words);
    this.bar.hidden = !converting;
    this.bar.value = progress;
    this.error.hidden = state !== "failed";
    say(this.error, file.error?.detail ?? "");
    this.player.button.hidden = state !== "ready";
    this.download.hidden = state !== "ready";
    this.#facts(facts(file));
  }

  /**
   * Each fact is an element, as lines break between facts only.
   * @param {string[]} texts
   */
  #facts(texts) {
    const parts = texts.map((text, index) => index < texts.length - 1 ? `${text} · ` : text);
    if (this.facts.textContent !== parts.join("")) {
      this.facts.replaceChildren(...parts.map((part) => make("span", {}, part)));
    }
  }
}

/**
 * @param {FileRecord} file
 * @returns {string[]}
 */
function facts(file) {
  const said = [];
  if (file.duration_seconds !== undefined) {
    said.push(clock(file.duration_seconds));
  }
  if (file.mp3_size !== undefined) {
    said.push(`${size(file.mp3_size)} from ${size(file.size)}`);
  } else {
    said.push(size(file.size));
  }
  said.push(describe(file.audio), `added ${moment(file.created_at)}`);
  if (file.state !== "expired") {
    said.push(`kept until ${day(file.expires_at)}`);
  }
  return said;
}

/** Shows the files. */
export class FileRows {
  #list = byId("file-rows", HTMLUListElement);
  #title = byId("files-title", HTMLHeadingElement);
  #count = byId("files-count", HTMLParagraphElement);
  #empty = byId("files-empty", HTMLParagraphElement);
  #more = byId("more", HTMLButtonElement);
  /** @type {Map<string, FileRow>} */
  #rows = new Map();
  #actions;

  /**
   * @param {Actions} actions
   * @param {() => void} onMore
   */
  constructor(actions, onMore) {
    this.#actions = actions;
    this.#more.addEventListener("click", onMore);
  }

  /**
   * @param {FileRecord[]} files
   * @param {{loaded: boolean, hasMore: boolean}} how
   */
  show(files, { loaded, hasMore }) {
    const wanted = new Set(files.map(({ fid }) => fid));
    for (const [fid, row] of this.#rows) {
      if (!wanted.has(fid)) {
        this.#take(fid, row);
      }
    }
    /** @type {Element | null} */
    let place = this.#list.firstElementChild;
    for (const file of files) {
      let row = this.#rows.get(file.fid);
      if (row === undefined) {
        row = new FileRow(file, this.#actions);
        this.#rows.set(file.fid, row);
      }
      row.update(file);
      // Moving an element would stop its playback, so only what is out of place moves.
      if (row.element === place) {
        place = place.nextElementSibling;
      } else {
        this.#list.insertBefore(row.element, place);
      }
    }
    this.#empty.hidden = !loaded || files.length > 0;
    this.#more.hidden = !hasMore;
    say(this.#count, !loaded ? "Loading…" : files.length === 0 ? "" : `${files.length}${hasMore ? " newest" : ""}`);
  }

  /**
   * Brings a row into view and marks it, for those who come by a link.
   * @param {string} fid
   */
  point(fid) {
    for (const [other, row] of this.#rows) {
      row.element.classList.toggle("pointed", other === fid);
    }
    const element = this.#rows.get(fid)?.element;
    element?.focus({ preventScroll: true });
    element?.scrollIntoView({ block: "center" });
  }

  /**
   * Puts the focus on the first row after the given number of them.
   * @param {number} count
   */
  focusAfter(count) {
    const element = this.#list.children[count];
    if (element instanceof HTMLElement) {
      element.focus();
    }
  }

  /**
   * @param {string} fid
   * @param {FileRow} row
   */
  #take(fid, row) {
    this.#rows.delete(fid);
    row.player.close();
    const hadFocus = row.element.contains(document.activeElement);
    const neighbour = row.element.nextElementSibling ?? row.element.previousElementSibling;
    row.element.remove();
    if (hadFocus) {
      (neighbour instanceof HTMLElement ? neighbour : this.#title).focus();
    }
  }
}
