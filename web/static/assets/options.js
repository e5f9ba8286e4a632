// The sound options: from the form to the contract's `audio` object, and from that to a few words.

import { byId, make, say } from "./dom.js";
import { clock, parseClock } from "./format.js";

/** @typedef {import("./api.js").Audio} Audio */

const bitrates = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const usualBitrate = 192;
/** What the service does when it is told nothing, but for a track that is MP3 already: that it keeps as it is. */
const usualQuality = 2;
const longestSeconds = 7 * 24 * 3600;
const mostTracks = 64;

/** The presets in words, by VBR quality; a quality in between goes by the next better one's. */
const qualityWords = [
  "best quality", "best quality", "very good quality", "very good quality", "good quality", "good quality",
  "small size", "small size", "small size", "smallest size",
];

/**
 * Options in a few words: "good quality, mono, 0:30 to 1:00".
 * @param {Audio} audio
 * @returns {string}
 */
export function describe(audio) {
  const words = [audio.mode === "cbr" ? `${audio.bitrate} kbit/s` : qualityWords[audio.quality ?? usualQuality]];
  if (audio.channels !== undefined) {
    words.push(audio.channels === 1 ? "mono" : "stereo");
  }
  if (audio.track !== undefined) {
    words.push(`track ${audio.track + 1}`);
  }
  if (audio.end !== undefined) {
    words.push(`${clock(audio.start ?? 0)} to ${clock(audio.end)}`);
  } else if (audio.start) {
    words.push(`from ${clock(audio.start)}`);
  }
  if (audio.normalize) {
    words.push("loudness evened out");
  }
  return words.join(", ");
}

/** The collapsed panel with the form. */
export class Options {
  #panel = byId("options", HTMLDetailsElement);
  #now = byId("options-now", HTMLSpanElement);
  #form = byId("options-form", HTMLFormElement);
  #bitrateField = byId("bitrate-field", HTMLDivElement);
  #bitrate = byId("bitrate", HTMLSelectElement);
  #channels = byId("channels", HTMLSelectElement);
  #track = byId("track", HTMLInputElement);
  #start = byId("start", HTMLInputElement);
  #end = byId("end", HTMLInputElement);
  #normalize = byId("normalize", HTMLInputElement);

  constructor() {
    for (const rate of bitrates) {
      this.#bitrate.append(make("option", { value: String(rate) }, `${rate} kbit/s`));
    }
    this.#bitrate.value = String(usualBitrate);
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("change", () => this.#update());
    this.#update();
  }

  /**
   * What the form asks for. When a field cannot be read, the panel opens at it and says why.
   * @returns {Audio | undefined}
   */
  read() {
    const { audio, wrong } = this.#check();
    if (wrong === undefined) {
      return audio;
    }
    this.#panel.open = true;
    wrong.focus();
    return undefined;
  }

  #update() {
    this.#bitrateField.hidden = this.#quality() !== "cbr";
    const { audio, wrong } = this.#check();
    say(this.#now, wrong === undefined ? describe(audio) : "needs a correction");
  }

  #quality() {
    return String(new FormData(this.#form).get("quality"));
  }

  /** @returns {{audio: Audio, wrong?: HTMLInputElement}} */
  #check() {
    const quality = this.#quality();
    /** @type {Audio} */
    const audio = {};
    if (quality === "cbr") {
      Object.assign(audio, { mode: "cbr", bitrate: Number(this.#bitrate.value) });
    } else if (Number(quality) !== usualQuality) {
      Object.assign(audio, { mode: "vbr", quality: Number(quality) });
    }
    if (this.#channels.value !== "") {
      audio.channels = Number(this.#channels.value);
    }
    if (this.#normalize.checked) {
      audio.normalize = true;
    }

    const errors = new Map([[this.#track, ""], [this.#start, ""], [this.#end, ""]]);
    const track = this.#track.value.trim();
    if (track !== "") {
      audio.track = Number(track) - 1;
      if (!/^\d{1,2}$/.test(track) || audio.track < 0 || audio.track >= mostTracks) {
        errors.set(this.#track, `A number from 1 to ${mostTracks}.`);
      }
    }
    audio.start = this.#time(this.#start, errors);
    audio.end = this.#time(this.#end, errors);
    if (audio.end !== undefined && errors.get(this.#end) === "" && audio.end <= (audio.start ?? 0)) {
      errors.set(this.#end, "Must be later than the beginning.");
    }

    let wrong;
    for (const [field, message] of errors) {
      say(byId(`${field.id}-error`, HTMLParagraphElement), message);
      field.setAttribute("aria-invalid", String(message !== ""));
      if (message !== "") {
        wrong ??= field;
      }
    }
    return { audio, wrong };
  }

  /**
   * @param {HTMLInputElement} field
   * @param {Map<HTMLInputElement, string>} errors
   * @returns {number | undefined}
   */
  #time(field, errors) {
    if (field.value.trim() === "") {
      return undefined;
    }
    const seconds = parseClock(field.value);
    if (seconds === undefined || seconds > longestSeconds) {
      errors.set(field, "Write it as 1:23.");
    }
    return seconds;
  }
}
