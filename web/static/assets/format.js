// Numbers and times in words, and back. Pure functions.

const language = typeof navigator !== "undefined" && navigator.language?.startsWith("en") ? navigator.language : "en-GB";

/**
 * A size as people know it from their file manager: "812 kB", "5.8 MB".
 * @param {number} count Bytes.
 * @returns {string}
 */
export function size(count) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = count;
  // 999.5 would be written as 1000.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)}\u00a0${units[unit]}`;
}

/**
 * A length on a player's display: "4:12", "1:02:03".
 * @param {number} seconds
 * @returns {string}
 */
export function clock(seconds) {
  const whole = Math.round(seconds);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = two(whole % 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/**
 * Reads "75", "1:15", "1:02:03" or "1:15.5".
 * @param {string} text
 * @returns {number | undefined} Seconds; undefined when it is not a time.
 */
export function parseClock(text) {
  const match = /^(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,6}(?:\.\d{1,3})?)$/.exec(text.trim());
  if (!match) {
    return undefined;
  }
  const [, hours, minutes, seconds] = match;
  // Only the leading figure may run over: 75 and 90:00 are fine, 1:75 is a slip.
  if ((minutes !== undefined && Number(seconds) >= 60) || (hours !== undefined && Number(minutes) >= 60)) {
    return undefined;
  }
  return Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds);
}

/**
 * A stretch of time one has to wait, rounded so that it does not promise too much: "40 seconds", "3 minutes".
 * @param {number} seconds
 * @returns {string}
 */
export function wait(seconds) {
  const count = (/** @type {number} */ n, /** @type {string} */ unit) => `${n}\u00a0${unit}${n === 1 ? "" : "s"}`;
  if (seconds < 90) {
    return count(Math.max(1, Math.ceil(seconds)), "second");
  }
  if (seconds < 90 * 60) {
    return count(Math.ceil(seconds / 60), "minute");
  }
  return count(Math.ceil(seconds / 3600), "hour");
}

const timeOfDay = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" });
const dayOfYear = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
const dayAndYear = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric" });

/**
 * A moment: "today, 14:03", "23 Nov, 14:03".
 * @param {string} iso
 * @param {Date} [now]
 * @returns {string}
 */
export function moment(iso, now = new Date()) {
  const then = new Date(iso);
  const date = then.toDateString() === now.toDateString() ? "today" : day(iso, now);
  return `${date}, ${timeOfDay.format(then)}`;
}

/**
 * A date, with the year when it is another one.
 * @param {string} iso
 * @param {Date} [now]
 * @returns {string}
 */
export function day(iso, now = new Date()) {
  const then = new Date(iso);
  return (then.getFullYear() === now.getFullYear() ? dayOfYear : dayAndYear).format(then);
}
