// Locates the beeps on the media timeline, to the sample.
//
// A loudspeaker plays late by the machine's latency, which is noise in a headless browser. So this records the bytes
// that a player appends with their timestampOffset, gives the audio samples in them the times that the Media Source
// specification defines, and has the browser's own AAC decoder make PCM of them:
//
//   time = (tfdt + durations so far + composition offset - media_time of the init's edit) / timescale + timestampOffset
//
// A check against SourceBuffer.buffered shows that the browser gives them the same times: it would be a frame off if,
// say, the edit were not applied.

/** A beep begins where the signal first exceeds this after silence; beeps peak at 0.5. */
const LOUD = 0.2;

/** Silence required before a beep, in seconds. */
const REST = 0.3;

/**
 * Times closer than this count as equal, in seconds: timestampOffset travels as microseconds, playlists round to 1 ms.
 */
const SAME = 0.0015;

/** Samples after a splice that the decoder gets wrong at first. */
const WARM_UP = 2048;

/** Every SourceBuffer with appended data, and that data. */
const buffers = new Map();

/** Starts recording appended data. Call once, before creating the player. */
export function listen() {
  const append = SourceBuffer.prototype.appendBuffer;
  SourceBuffer.prototype.appendBuffer = function (data) {
    keep(this).take(new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength).slice(), this);
    return append.call(this, data);
  };
  const abort = SourceBuffer.prototype.abort;
  SourceBuffer.prototype.abort = function () {
    keep(this).pending = new Uint8Array(0);
    return abort.call(this);
  };
}

function keep(buffer) {
  if (!buffers.has(buffer)) buffers.set(buffer, new Track());
  return buffers.get(buffer);
}

/** Buffered ranges [[from, to]] of a SourceBuffer or a <video>; null if its MediaSource is gone. */
export function held(buffer) {
  try {
    return Array.from({ length: buffer.buffered.length }, (_, i) => [buffer.buffered.start(i), buffer.buffered.end(i)]);
  } catch {
    return null;
  }
}

/** Buffered ranges of every SourceBuffer that is still in use. */
export function allHeld() {
  return [...buffers.keys()].map(held).filter((ranges) => ranges !== null);
}

/** Forgets audio appended so far, before another language is chosen. Init segments stay. */
export function forget() {
  for (const track of buffers.values()) track.samples = [];
}

/** Appended bytes, as boxes. */
class Track {
  constructor() {
    this.pending = new Uint8Array(0);
    this.init = null;
    this.moof = null;
    /** Audio samples: {time, duration, data}, in no order. */
    this.samples = [];
    this.windowStart = 0;
  }

  take(data, buffer) {
    const all = new Uint8Array(this.pending.length + data.length);
    all.set(this.pending);
    all.set(data, this.pending.length);
    let at = 0;
    for (const box of boxes(all)) {
      this.box(box, buffer);
      at = box.end;
    }
    this.pending = all.slice(at);
  }

  box(box, buffer) {
    if (box.type === 'moov') this.init = readInit(box);
    if (box.type === 'moof') this.moof = { box, offset: buffer.timestampOffset };
    if (box.type === 'mdat' && this.moof && this.init) {
      this.windowStart = buffer.appendWindowStart;
      this.put([...readSamples(this.moof, box, this.init)]);
      this.moof = null;
    }
  }

  /** Adds samples; like Media Source, new ones replace old ones that begin within them. */
  put(samples) {
    if (samples.length === 0) return;
    const from = samples[0].time - SAME;
    const to = samples.at(-1).time + samples.at(-1).duration - SAME;
    this.samples = this.samples.filter((old) => old.time < from || old.time >= to);
    this.samples.push(...samples);
  }
}

/** The whole boxes in bytes, without a last one that is cut off. */
function* boxes(bytes, at = 0, end = bytes.length) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  while (at + 8 <= end) {
    let size = view.getUint32(at);
    let head = 8;
    if (size === 1) {
      if (at + 16 > end) return;
      size = Number(view.getBigUint64(at + 8));
      head = 16;
    }
    if (size < head) throw new Error(`box at byte ${at} of what was appended claims ${size} bytes`);
    if (at + size > end) return;
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    yield { type, bytes, start: at, body: at + head, end: at + size, view };
    at += size;
  }
}

const inside = (box, skip = 0) => boxes(box.bytes, box.body + skip, box.end);

/** All boxes at a path below a box. */
function find(box, ...path) {
  const [type, ...rest] = path;
  const here = [...inside(box)].filter((child) => child.type === type);
  return rest.length === 0 ? here : here.flatMap((child) => find(child, ...rest));
}

/** Parameters of the audio track of an init segment; null if it has none. */
function readInit(moov) {
  for (const trak of find(moov, 'trak')) {
    const [hdlr] = find(trak, 'mdia', 'hdlr');
    if (String.fromCharCode(...hdlr.bytes.subarray(hdlr.body + 8, hdlr.body + 12)) !== 'soun') continue;
    const [tkhd] = find(trak, 'tkhd');
    const id = tkhd.view.getUint32(tkhd.body + (tkhd.view.getUint8(tkhd.body) === 1 ? 20 : 12));
    const [mdhd] = find(trak, 'mdia', 'mdhd');
    const timescale = mdhd.view.getUint32(mdhd.body + (mdhd.view.getUint8(mdhd.body) === 1 ? 20 : 12));
    const [stsd] = find(trak, 'mdia', 'minf', 'stbl', 'stsd');
    const [entry] = [...inside(stsd, 8)];
    const [esds] = [...inside(entry, 28)].filter((child) => child.type === 'esds');
    const [trex] = find(moov, 'mvex', 'trex').filter((child) => child.view.getUint32(child.body + 4) === id);
    return {
      id,
      timescale,
      edit: readEdit(find(trak, 'edts', 'elst')[0]),
      channels: entry.view.getUint16(entry.body + 16),
      rate: entry.view.getUint16(entry.body + 24),
      config: esds ? audioSpecificConfig(esds) : null,
      duration: trex?.view.getUint32(trex.body + 12) ?? 0,
      size: trex?.view.getUint32(trex.body + 16) ?? 0,
    };
  }
  return null;
}

/** media_time of the only edit; 0 without an edit list. */
function readEdit(elst) {
  if (!elst) return 0;
  const count = elst.view.getUint32(elst.body + 4);
  if (count !== 1) throw new Error(`${count} edits in an audio init segment: players use one at most`);
  return elst.view.getUint8(elst.body) === 1
    ? Number(elst.view.getBigInt64(elst.body + 16))
    : elst.view.getInt32(elst.body + 12);
}

/** ISO 14496-1 7.2.6: descriptors nest as tag, length in groups of 7 bits, body. */
function audioSpecificConfig(esds) {
  let at = esds.body + 4;
  const open = () => {
    const tag = esds.bytes[at++];
    let length = 0;
    let byte;
    do {
      byte = esds.bytes[at++];
      length = length * 128 + (byte & 0x7f);
    } while (byte & 0x80);
    return { tag, length };
  };
  open(); // ES_Descriptor
  const flags = esds.bytes[at + 2];
  at += 3 + (flags & 0x80 ? 2 : 0) + (flags & 0x40 ? 1 + esds.bytes[at + 3] : 0) + (flags & 0x20 ? 2 : 0);
  open(); // DecoderConfigDescriptor
  at += 13;
  const { tag, length } = open(); // DecoderSpecificInfo
  if (tag !== 5) throw new Error(`esds: tag ${tag} where DecoderSpecificInfo belongs`);
  return esds.bytes.slice(at, at + length);
}

/** Audio samples of one moof and the mdat after it. */
function* readSamples(moof, mdat, init) {
  for (const traf of find(moof.box, 'traf')) {
    const [tfhd] = find(traf, 'tfhd');
    if (tfhd.view.getUint32(tfhd.body + 4) !== init.id) continue;
    const defaults = readTfhd(tfhd, init);
    const [tfdt] = find(traf, 'tfdt');
    let time = tfdt.view.getUint8(tfdt.body) === 1
      ? Number(tfdt.view.getBigUint64(tfdt.body + 4))
      : tfdt.view.getUint32(tfdt.body + 4);
    // Offsets are from the moof's first byte; the mdat follows it at once or after other boxes of the same append.
    let at = mdat.body;
    for (const trun of find(traf, 'trun')) {
      const run = readTrun(trun, defaults);
      if (run.offset !== null) at = mdat.body + run.offset - (moof.box.end - moof.box.start) - 8;
      for (const sample of run.samples) {
        yield {
          time: (time + sample.composition - init.edit) / init.timescale + moof.offset,
          duration: sample.duration / init.timescale,
          data: mdat.bytes.slice(at, at + sample.size),
        };
        at += sample.size;
        time += sample.duration;
      }
    }
  }
}

function readTfhd(tfhd, init) {
  const flags = tfhd.view.getUint32(tfhd.body) & 0xffffff;
  let at = tfhd.body + 8 + (flags & 1 ? 8 : 0) + (flags & 2 ? 4 : 0);
  const found = { duration: init.duration, size: init.size };
  if (flags & 8) {
    found.duration = tfhd.view.getUint32(at);
    at += 4;
  }
  if (flags & 0x10) found.size = tfhd.view.getUint32(at);
  return found;
}

function readTrun(trun, defaults) {
  const flags = trun.view.getUint32(trun.body) & 0xffffff;
  let at = trun.body + 4;
  const u32 = () => trun.view.getUint32((at += 4) - 4);
  const count = u32();
  const offset = flags & 1 ? u32() : null;
  if (flags & 4) u32();
  const samples = [];
  for (let i = 0; i < count; i++) {
    const duration = flags & 0x100 ? u32() : defaults.duration;
    const size = flags & 0x200 ? u32() : defaults.size;
    if (flags & 0x400) u32();
    const composition = flags & 0x800 ? u32() | 0 : 0;
    samples.push({ duration, size, composition });
  }
  return { offset, samples };
}

const ending = (samples) => samples.at(-1).time + samples.at(-1).duration;

/** Splits samples into runs without holes or overlaps. */
function runs(samples) {
  const found = [];
  for (const sample of samples) {
    const run = found.at(-1);
    if (run && Math.abs(sample.time - ending(run)) < SAME) run.push(sample);
    else found.push([sample]);
  }
  return found;
}

/** Decodes the first channel of a run to PCM. */
async function decode(run, init) {
  const parts = [];
  let failure = null;
  const decoder = new AudioDecoder({
    output(audio) {
      const part = new Float32Array(audio.numberOfFrames);
      audio.copyTo(part, { planeIndex: 0, format: 'f32-planar' });
      parts.push(part);
      audio.close();
    },
    error(error) {
      failure = error;
    },
  });
  decoder.configure({
    codec: 'mp4a.40.2', sampleRate: init.rate, numberOfChannels: init.channels, description: init.config,
  });
  for (const sample of run) {
    decoder.decode(new EncodedAudioChunk({ type: 'key', timestamp: Math.round(sample.time * 1e6), data: sample.data }));
  }
  await decoder.flush().catch((error) => {
    failure ??= error;
  });
  if (failure) throw failure;
  const pcm = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (pcm.set(part, at), at + part.length), 0);
  // The decoder must output 1024 samples per AAC frame, the first too: otherwise a position in the PCM would not be a
  // position in time.
  if (pcm.length !== run.length * 1024) throw new Error(`${run.length} AAC frames decoded to ${pcm.length} samples`);
  return pcm;
}

/** Pitch of the 60 ms after `from`, from the zero crossings in between. */
function pitch(pcm, from, rate) {
  const crossings = [];
  for (let i = from + 1; i < Math.min(from + rate * 0.06, pcm.length); i++) {
    if (pcm[i - 1] < 0 && pcm[i] >= 0) crossings.push(i - pcm[i] / (pcm[i] - pcm[i - 1]));
  }
  return crossings.length < 3 ? 0 : ((crossings.length - 1) * rate) / (crossings.at(-1) - crossings[0]);
}

/** Beginnings of beeps in PCM: {at: sample, pitch}. */
export function beeps(pcm, rate) {
  const found = [];
  let quiet = rate; // the run's start counts as silence
  for (let i = 0; i < pcm.length; i++) {
    if (Math.abs(pcm[i]) < LOUD) {
      quiet += 1;
      continue;
    }
    if (quiet > rate * REST) found.push({ at: i, pitch: pitch(pcm, i, rate) });
    quiet = 0;
  }
  return found;
}

/**
 * Analysis of the appended audio: {beeps: [{second, base, time}], holes, splices, meant, said}; null if there is none.
 * `second` and `base` come from the pitch, base + 100 x second Hz with base 400 or 3000. A splice is an overlap: the
 * sound was moved on the timeline. `meant` and `said` are its first and last time, according to the bytes and to
 * `buffered`.
 */
export async function hear() {
  for (const [buffer, track] of buffers) {
    const ranges = held(buffer);
    if (!ranges || !track.init || track.samples.length === 0) continue;
    const samples = track.samples.sort((a, b) => a.time - b.time);
    const parts = runs(samples);
    const heard = [];
    let [holes, splices] = [0, 0];
    for (const [i, run] of parts.entries()) {
      if (i > 0 && run[0].time > ending(parts[i - 1])) holes += 1;
      else if (i > 0) splices += 1;
      for (const beep of beeps(await decode(run, track.init), track.init.rate)) {
        if (i > 0 && beep.at < WARM_UP) continue;
        const base = beep.pitch >= 2950 ? 3000 : 400;
        heard.push({ time: run[0].time + beep.at / track.init.rate, second: Math.round((beep.pitch - base) / 100), base });
      }
    }
    return {
      beeps: heard,
      holes,
      splices,
      meant: [Math.max(samples[0].time, track.windowStart), ending(samples)],
      said: ranges.length === 0 ? null : [ranges[0][0], ranges.at(-1)[1]],
    };
  }
  return null;
}
