// Listening to an MP3 without downloading it first.

import { announce } from "./announce.js";
import { actionButton, icon, make, say } from "./dom.js";

/** The one that is open; two at once would be noise. @type {Player | undefined} */
let open;

/** A play button, and the place where the player appears. */
export class Player {
  /** @type {HTMLAudioElement | undefined} */
  #audio;
  #name;
  #link;

  /**
   * @param {string} name
   * @param {() => Promise<string>} link A fresh link to the MP3; rejects after having said why.
   */
  constructor(name, link) {
    this.#name = name;
    this.#link = link;
    this.button = actionButton("play", "Play", name, () => void this.#toggle());
    this.button.setAttribute("aria-expanded", "false");
    this.stage = make("div", { class: "stage" });
    this.stage.hidden = true;
  }

  /** Stops and puts the player away. */
  close() {
    if (open === this) {
      open = undefined;
    }
    this.#audio?.pause();
    // Without a source the browser stops fetching.
    this.#audio?.removeAttribute("src");
    this.#audio?.load();
    this.#audio = undefined;
    this.stage.replaceChildren();
    this.#show(false);
  }

  async #toggle() {
    if (this.#audio !== undefined) {
      this.close();
      return;
    }
    open?.close();
    open = this;
    const audio = make("audio", { controls: "", preload: "metadata", "aria-label": `Player for ${this.#name}` });
    this.#audio = audio;
    let link;
    try {
      link = await this.#link();
    } catch {
      this.close();
      return;
    }
    if (this.#audio !== audio) {
      return;
    }
    audio.addEventListener("error", () => {
      if (this.#audio === audio) {
        this.close();
        announce(`${this.#name} can no longer be played from here. Press Play again.`);
      }
    });
    audio.src = link;
    this.stage.append(audio);
    this.#show(true);
    // Refused when the click is too long ago; then the controls are there.
    await audio.play().catch(() => {});
  }

  /** @param {boolean} shown */
  #show(shown) {
    this.stage.hidden = !shown;
    this.button.setAttribute("aria-expanded", String(shown));
    this.button.querySelector("svg")?.replaceWith(icon(shown ? "close" : "play"));
    const word = this.button.querySelector("span");
    if (word) {
      say(word, shown ? "Close" : "Play");
    }
  }
}
