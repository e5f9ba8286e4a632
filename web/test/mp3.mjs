// Reads an MP3 the way a player does: frame by frame (ISO 11172-3 §2.4.2.3).

const bitrates = {
  1: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  2: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
};
const sampleRates = [44100, 48000, 32000];

/**
 * @typedef {{frames: number, sampleRate: number, seconds: number}} Measured
 */

/**
 * Counts an MP3's frames from its first to its last byte, and says how long it plays: without the encoder's delay and
 * padding where the LAME tag names them. Throws when there is anything between frames that is not one.
 * @param {Buffer} mp3
 * @returns {Measured}
 */
export function measure(mp3) {
  let at = id3Length(mp3);
  let frames = 0;
  let samples = 0;
  let sampleRate = 0;
  while (at + 4 <= mp3.length && mp3.toString("latin1", at, at + 3) !== "TAG") {
    const frame = header(mp3, at);
    if (sampleRate !== 0 && frame.sampleRate !== sampleRate) {
      throw new Error(`the sample rate changes at byte ${at}`);
    }
    const first = sampleRate === 0;
    sampleRate = frame.sampleRate;
    const tag = first ? infoTag(mp3.subarray(at, at + frame.length)) : undefined;
    if (tag === undefined) {
      frames++;
      samples += frame.samples;
    } else {
      samples -= tag.delay + tag.padding;
    }
    at += frame.length;
  }
  if (frames === 0) {
    throw new Error("there is no MP3 frame");
  }
  return { frames, sampleRate, seconds: samples / sampleRate };
}

/** @param {Buffer} mp3 The bytes an ID3v2 tag takes at the beginning. */
function id3Length(mp3) {
  if (mp3.toString("latin1", 0, 3) !== "ID3") {
    return 0;
  }
  // Four "synchsafe" bytes of seven bits each.
  return 10 + mp3.subarray(6, 10).reduce((size, byte) => size * 128 + byte, 0);
}

/**
 * @param {Buffer} mp3
 * @param {number} at
 */
function header(mp3, at) {
  const bits = mp3.readUInt32BE(at);
  const version = /** @type {Record<number, 1 | 2>} */ ({ 3: 1, 2: 2 })[(bits >>> 19) & 3];
  const layer3 = ((bits >>> 17) & 3) === 1;
  if (bits >>> 21 !== 0x7ff || version === undefined || !layer3) {
    throw new Error(`no frame header at byte ${at} of ${mp3.length}`);
  }
  const kilobits = bitrates[version][(bits >>> 12) & 15];
  const fullRate = sampleRates[(bits >>> 10) & 3];
  if (!kilobits || !fullRate) {
    throw new Error(`a frame of no known rate at byte ${at}`);
  }
  const sampleRate = fullRate / version;
  const samples = version === 1 ? 1152 : 576;
  const length = Math.floor((samples / 8) * kilobits * 1000 / sampleRate) + ((bits >>> 9) & 1);
  return { sampleRate, samples, length };
}

/**
 * The Xing or Info tag in the frame before the sound, and in it what LAME says of delay and padding.
 * @param {Buffer} frame
 */
function infoTag(frame) {
  const text = frame.toString("latin1");
  const start = Math.max(text.indexOf("Xing"), text.indexOf("Info"));
  if (start < 0 || start > 40) {
    return undefined;
  }
  const flags = frame.readUInt32BE(start + 4);
  const fields = (flags & 1 ? 4 : 0) + (flags & 2 ? 4 : 0) + (flags & 4 ? 100 : 0) + (flags & 8 ? 4 : 0);
  const lame = start + 8 + fields;
  if (!/^(LAME|Lav[cf])/.test(text.slice(lame))) {
    return { delay: 0, padding: 0 };
  }
  const both = frame.readUIntBE(lame + 21, 3);
  return { delay: both >>> 12, padding: both & 0xfff };
}
