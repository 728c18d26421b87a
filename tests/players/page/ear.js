// Hears what a <video> plays, where there are no appended bytes to look into: the browser's own HLS.
//
// Its sound goes through an AudioContext on its way out, and is kept there. When it is due at the loudspeaker and when a
// picture is due on the screen are both told on the clock of the page. A <video> does not know how long its sound still
// travels behind the context, so its pictures do not wait for that: it is taken off. What is left is the same for all
// beeps of a play, but from play to play some 10 ms of what the devices add, so a frame of priming is not told by it.

import { beeps } from './sound.js';

/** What runs in the AudioContext: passes on the first channel, with the context's time at its first sample. */
const TAP = `registerProcessor('tap', class extends AudioWorkletProcessor {
  process([[samples]]) {
    if (samples) this.port.postMessage({ time: currentTime, samples: samples.slice() });
    return true;
  }
});`;

export class Ear {
  /** @param {HTMLVideoElement} video whose sound is heard from now on, and can no longer be heard another way */
  constructor(video) {
    this.video = video;
    this.context = new AudioContext();
    this.blocks = [];
    this.keeping = false;
    /** Times of pictures, in milliseconds: on the screen, and on their timeline. */
    this.pictures = [];
  }

  async open() {
    const tap = URL.createObjectURL(new Blob([TAP], { type: 'text/javascript' }));
    await this.context.audioWorklet.addModule(tap);
    const worklet = new AudioWorkletNode(this.context, 'tap');
    worklet.port.onmessage = ({ data }) => this.keeping && this.blocks.push(data);
    const source = this.context.createMediaElementSource(this.video);
    source.connect(worklet);
    source.connect(this.context.destination);
  }

  /** Keeps what is heard from now on; the video must play at its own speed. */
  listen() {
    this.blocks = [];
    this.pictures = [];
    this.keeping = true;
    const picture = (_, { expectedDisplayTime, mediaTime }) => {
      if (!this.keeping) return;
      this.pictures.push({ due: expectedDisplayTime, time: mediaTime * 1000 });
      this.video.requestVideoFrameCallback(picture);
    };
    this.video.requestVideoFrameCallback(picture);
  }

  /** What was heard: [{second, base, time}], `time` in seconds on the timeline of the pictures, or null without any. */
  stop() {
    this.keeping = false;
    const rate = this.context.sampleRate;
    const pcm = new Float32Array(this.blocks.reduce((sum, { samples }) => sum + samples.length, 0));
    this.blocks.reduce((at, { samples }) => (pcm.set(samples, at), at + samples.length), 0);
    const { contextTime, performanceTime } = this.context.getOutputTimestamp();
    const due = (at) => performanceTime + (this.blocks[0].time + at / rate - contextTime - this.context.outputLatency) * 1000;
    const shown = median(this.pictures.map((picture) => picture.due - picture.time));
    return beeps(pcm, rate).map(({ at, pitch }) => {
      const base = pitch >= 2950 ? 3000 : 400;
      return { second: Math.round((pitch - base) / 100), base, time: shown === null ? null : (due(at) - shown) / 1000 };
    });
  }
}

const median = (numbers) => (numbers.length === 0 ? null : numbers.sort((a, b) => a - b)[numbers.length >> 1]);
