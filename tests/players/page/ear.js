// Records the sound of a <video> when there are no appended bytes to inspect: for the browser's own HLS.
//
// The sound goes through an AudioContext on its way out, which records it. Both the time when sound is due at the
// loudspeaker and the time when a picture is due on the screen are on the page's clock. A <video> does not know how
// long its sound travels after the context, so its pictures do not wait for that: the code subtracts it. The rest is
// the same for all beeps of a play, but differs from play to play by some 10 ms added by devices, so this cannot detect
// a frame of priming.

import { beeps } from './sound.js';

/** Runs in the AudioContext: passes on the first channel, with the context's time at its first sample. */
const TAP = `registerProcessor('tap', class extends AudioWorkletProcessor {
  process([[samples]]) {
    if (samples) this.port.postMessage({ time: currentTime, samples: samples.slice() });
    return true;
  }
});`;

export class Ear {
  /** @param {HTMLVideoElement} video whose sound goes through this object only from here on */
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

  /** Starts recording; the video must play at its own speed. */
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

  /**
   * Stops recording; returns the beeps: [{second, base, time}], `time` in seconds on the timeline of the pictures, or
   * null without any.
   */
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
