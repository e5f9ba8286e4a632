// Asking again and again, but no more often than there is something to learn.

const soonestMilliseconds = 1000;
const latestMilliseconds = 10_000;
const slower = 1.5;

/**
 * Repeats a question while it is worth asking and the page can be seen: soon after something has changed, more and
 * more rarely while nothing does.
 */
export class Poller {
  #delay = soonestMilliseconds;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #asking = false;
  #again = false;
  #on = false;
  #ask;
  #worthwhile;

  /**
   * @param {() => Promise<boolean>} ask Resolves with whether anything was new; may reject.
   * @param {() => boolean} worthwhile Whether anything new is to be expected.
   */
  constructor(ask, worthwhile) {
    this.#ask = ask;
    this.#worthwhile = worthwhile;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) {
        clearTimeout(this.#timer);
      } else if (this.#on) {
        this.wake();
      }
    });
  }

  start() {
    this.#on = true;
    this.wake();
  }

  stop() {
    this.#on = false;
    clearTimeout(this.#timer);
  }

  /** Asks now, as something has happened. */
  wake() {
    if (!this.#on) {
      return;
    }
    this.#delay = soonestMilliseconds;
    clearTimeout(this.#timer);
    if (this.#asking) {
      this.#again = true;
    } else {
      void this.#turn();
    }
  }

  async #turn() {
    this.#asking = true;
    let failed = false;
    try {
      const changed = await this.#ask();
      this.#delay = changed ? soonestMilliseconds : Math.min(latestMilliseconds, this.#delay * slower);
    } catch {
      failed = true;
      this.#delay = latestMilliseconds;
    } finally {
      this.#asking = false;
    }
    if (!this.#on || document.hidden) {
      return;
    }
    if (this.#again) {
      this.#again = false;
      void this.#turn();
    } else if (failed || this.#worthwhile()) {
      this.#timer = setTimeout(() => void this.#turn(), this.#delay);
    }
  }
}
