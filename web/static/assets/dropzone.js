// How videos get onto the page: dropped anywhere on it, or chosen by button.

import { byId, say } from "./dom.js";

/** Waits for videos while it is switched on. */
export class DropZone {
  #zone = byId("drop", HTMLDivElement);
  #words = byId("drop-words", HTMLParagraphElement);
  #chooser = byId("chooser", HTMLInputElement);
  #invitation = this.#words.textContent ?? "";
  /** Whether the page takes files at the moment. */
  on = false;

  /**
   * @param {(files: File[], refused: string[]) => void} onFiles The videos, and a sentence for each thing that is none.
   */
  constructor(onFiles) {
    this.#chooser.addEventListener("change", () => {
      const files = [...(this.#chooser.files ?? [])];
      // So that choosing the same file again is a change again.
      this.#chooser.value = "";
      deliver(files, [], onFiles);
    });
    // The whole window, always: a file dropped beside the zone would otherwise replace the page.
    window.addEventListener("dragover", (event) => {
      if (!holdsFiles(event.dataTransfer)) {
        return;
      }
      event.preventDefault();
      event.dataTransfer.dropEffect = this.on ? "copy" : "none";
      this.#light(this.on);
    });
    window.addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) {
        this.#light(false);
      }
    });
    window.addEventListener("drop", (event) => {
      if (!holdsFiles(event.dataTransfer)) {
        return;
      }
      event.preventDefault();
      this.#light(false);
      if (this.on) {
        const { files, folders } = unpack(event.dataTransfer);
        deliver(files, folders, onFiles);
      }
    });
  }

  /** @param {boolean} lit */
  #light(lit) {
    this.#zone.classList.toggle("lit", lit);
    say(this.#words, lit ? "Let go to add them" : this.#invitation);
  }
}

/**
 * @param {DataTransfer | null} transfer
 * @returns {transfer is DataTransfer}
 */
function holdsFiles(transfer) {
  return transfer?.types.includes("Files") ?? false;
}

/**
 * @param {DataTransfer} transfer
 * @returns {{files: File[], folders: string[]}}
 */
function unpack(transfer) {
  /** @type {File[]} */
  const files = [];
  /** @type {string[]} */
  const folders = [];
  for (const item of transfer.items) {
    const file = item.kind === "file" ? item.getAsFile() : null;
    if (item.webkitGetAsEntry?.()?.isDirectory) {
      folders.push(`“${file?.name ?? "That"}” is a folder. Add the videos in it instead.`);
    } else if (file) {
      files.push(file);
    }
  }
  return { files, folders };
}

/**
 * Sorts out what is certainly no video. Everything else is for the service to judge: what a browser calls a file's
 * type is no more than a guess from its name.
 * @param {File[]} files
 * @param {string[]} refused
 * @param {(files: File[], refused: string[]) => void} onFiles
 */
function deliver(files, refused, onFiles) {
  /** @type {File[]} */
  const videos = [];
  for (const file of files) {
    if (/^(image|text|font)\//.test(file.type)) {
      refused.push(`“${file.name}” is not a video.`);
    } else if (file.size === 0) {
      refused.push(`“${file.name}” is empty.`);
    } else {
      videos.push(file);
    }
  }
  if (videos.length > 0 || refused.length > 0) {
    onFiles(videos, refused);
  }
}
