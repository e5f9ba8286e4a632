// What the page knows of a person's files, kept level with the service.

import { Problem } from "./api.js";

/**
 * @typedef {import("./api.js").FileRecord} FileRecord
 * @typedef {import("./api.js").State} State
 */

const pageSize = 20;
const largestPage = 100;

/** States that change without anyone doing anything. */
const moving = new Set(["queued", "converting"]);

/** The files, newest first, as far as they have been asked for. */
export class Files {
  /** @type {FileRecord[]} */
  #files = [];
  /** @type {string | undefined} */
  #next;
  #loaded = false;
  /** How many of the newest have come in pages without a gap. */
  #paged = 0;
  /** Grows when everything is forgotten, so that late answers are known as such. */
  #era = 0;
  /** Videos this page has sent, of which the service has not yet taken note. @type {Set<string>} */
  #sent = new Set();
  /** Files deleted here; an answer that was on its way meanwhile may still name them. @type {Set<string>} */
  #deleted = new Set();
  #api;
  #onChange;

  /**
   * @param {import("./api.js").Api} api
   * @param {(settled: FileRecord[]) => void} onChange Something is different; these became ready or failed.
   */
  constructor(api, onChange) {
    this.#api = api;
    this.#onChange = onChange;
  }

  get all() {
    return this.#files;
  }

  /** Whether the service has been heard at all. */
  get loaded() {
    return this.#loaded;
  }

  get hasMore() {
    return this.#next !== undefined;
  }

  /** Whether something is going to change by itself. */
  get pending() {
    return this.#sent.size > 0 || this.#files.some(({ state }) => moving.has(state));
  }

  /** @param {string} fid */
  find(fid) {
    return this.#files.find((file) => file.fid === fid);
  }

  /**
   * Notes that a video has been sent, which makes it as good as queued.
   * @param {string} fid
   */
  markSent(fid) {
    this.#sent.add(fid);
  }

  /** Forgets everything. */
  clear() {
    this.#files = [];
    this.#next = undefined;
    this.#loaded = false;
    this.#paged = 0;
    this.#era++;
    this.#sent.clear();
    this.#deleted.clear();
    this.#onChange([]);
  }

  /**
   * Asks for everything shown so far again.
   * @returns {Promise<boolean>} Whether anything is different.
   */
  async refresh() {
    const era = this.#era;
    const limit = Math.min(largestPage, Math.max(pageSize, this.#paged));
    const page = await this.#api.files({ limit });
    const listed = new Set(page.files.map(({ fid }) => fid));
    const oldest = page.files.at(-1);
    // Whatever is older than the page's last one has not been asked for, so it stays as it was.
    const older = page.next === undefined || oldest === undefined ? []
      : this.#files.filter((file) => !listed.has(file.fid) && file.created_at <= oldest.created_at);
    const fresh = await Promise.all(older.map((file) => moving.has(file.state) ? this.#again(file) : file));
    if (era !== this.#era) {
      return false;
    }
    if (this.#paged <= limit) {
      this.#paged = page.files.length;
      this.#next = page.next;
    }
    const first = !this.#loaded;
    this.#loaded = true;
    return this.#replace([...page.files, ...fresh.filter((file) => file !== undefined)], first);
  }

  /** Asks for the next page. */
  async more() {
    if (this.#next === undefined) {
      return;
    }
    const era = this.#era;
    const page = await this.#api.files({ limit: pageSize, cursor: this.#next });
    if (era !== this.#era) {
      return;
    }
    this.#next = page.next;
    this.#paged += page.files.length;
    this.#replace([...this.#files, ...page.files]);
  }

  /**
   * Makes sure a file is among those known, wherever in the list it stands.
   * @param {string} fid
   * @returns {Promise<boolean>} Whether there is such a file.
   */
  async fetch(fid) {
    if (this.find(fid) !== undefined) {
      return true;
    }
    const era = this.#era;
    try {
      const file = await this.#api.file(fid);
      if (era === this.#era) {
        this.#replace([...this.#files, file]);
      }
      return true;
    } catch (error) {
      if (error instanceof Problem && error.status === 404) {
        return false;
      }
      throw error;
    }
  }

  /** @param {string} fid */
  async delete(fid) {
    try {
      await this.#api.deleteFile(fid);
    } catch (error) {
      // Deleted elsewhere is deleted all the same.
      if (!(error instanceof Problem) || error.status !== 404) {
        throw error;
      }
    }
    this.#deleted.add(fid);
    this.#sent.delete(fid);
    this.#replace(this.#files);
  }

  /**
   * @param {FileRecord} file
   * @returns {Promise<FileRecord | undefined>} Undefined when it is gone.
   */
  async #again(file) {
    try {
      return await this.#api.file(file.fid);
    } catch (error) {
      if (error instanceof Problem && error.status === 404) {
        return undefined;
      }
      throw error;
    }
  }

  /**
   * @param {FileRecord[]} next
   * @param {boolean} [first] Whether this is the first that is heard from the service.
   * @returns {boolean} Whether anything is different.
   */
  #replace(next, first = false) {
    const before = new Map(this.#files.map((file) => [file.fid, file]));
    /** @type {Map<string, FileRecord>} */
    const after = new Map();
    for (const file of next) {
      if (!this.#deleted.has(file.fid)) {
        after.set(file.fid, this.#seen(file));
      }
    }
    this.#files = [...after.values()].sort((a, b) => b.created_at.localeCompare(a.created_at));
    const changed = first || JSON.stringify([...before.values()]) !== JSON.stringify(this.#files);
    if (changed) {
      this.#onChange(this.#files.filter(({ fid, state }) => {
        const was = before.get(fid)?.state;
        return (state === "ready" || state === "failed") && was !== undefined && was !== state;
      }));
    }
    return changed;
  }

  /**
   * @param {FileRecord} file
   * @returns {FileRecord}
   */
  #seen(file) {
    if (file.state !== "awaiting_upload") {
      this.#sent.delete(file.fid);
    }
    return this.#sent.has(file.fid) ? { ...file, state: "queued" } : file;
  }
}
