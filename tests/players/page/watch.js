// Reads the pictures that a <video> shows: for each presented frame its media time, its size and the number in its
// barcode. fixtures/barcode.py draws the layout of the barcode.

const COLUMNS = 8;
const ROWS = 2;
const BITS = 12;

/** Sides of the canvas a frame is drawn into; a cell is 20 x 20 there, whatever the frame's own size. */
const WIDTH = 160;
const HEIGHT = 80;

/** Least difference of a picture's two reference cells, of 255, for the barcode to be readable. */
const CONTRAST = 100;

const canvas = new OffscreenCanvas(WIDTH, HEIGHT);
const context = canvas.getContext('2d', { willReadFrequently: true });

/** Mean luma of the 4 x 4 pixels around (x, y), both from 0 to 1. */
function luma(pixels, x, y) {
  let sum = 0;
  const left = Math.round(x * WIDTH) - 2;
  const top = Math.round(y * HEIGHT) - 2;
  for (let row = top; row < top + 4; row++) {
    for (let column = left; column < left + 4; column++) {
      const at = (row * WIDTH + column) * 4;
      sum += 0.299 * pixels[at] + 0.587 * pixels[at + 1] + 0.114 * pixels[at + 2];
    }
  }
  return sum / 16;
}

/** The number in a picture and whether its flash is lit, or null when the picture is not whole. */
function read(image) {
  context.drawImage(image, 0, 0, WIDTH, HEIGHT);
  const pixels = context.getImageData(0, 0, WIDTH, HEIGHT).data;
  const cells = [];
  for (let row = 0; row < ROWS; row++) {
    for (let column = 0; column < COLUMNS; column++) {
      cells.push(luma(pixels, (column + 0.5) / COLUMNS, (row + 0.5) / ROWS / 2));
    }
  }
  const [white, black, ...rest] = cells;
  if (white - black < CONTRAST) return null;
  const middle = (white + black) / 2;
  const bits = rest.map((cell) => cell > middle);
  const number = bits.slice(0, BITS).reduce((value, bit) => value * 2 + Number(bit), 0);
  const parity = bits.slice(0, BITS).filter(Boolean).length % 2 === 1;
  if (bits[BITS] !== parity || bits[BITS + 1] === parity) return null;
  return { number, flash: luma(pixels, 0.5, 0.75) > middle };
}

/** Follows a <video>, frame by frame. */
export class Watch {
  /** @param {HTMLVideoElement} video  @param {'barcode' | 'picture'} kind content of its frames */
  constructor(video, kind) {
    this.video = video;
    this.kind = kind;
    /** Every frame seen: {time, width, height, number, flash}; number is null when the barcode could not be read. */
    this.frames = [];
    /** Frames skipped because the picture changed between the callback and reading it. */
    this.raced = 0;
    this.next();
  }

  next() {
    this.video.requestVideoFrameCallback((_, metadata) => {
      this.next();
      this.take(metadata);
    });
  }

  take(metadata) {
    const frame = { time: metadata.mediaTime, width: metadata.width, height: metadata.height };
    if (this.kind === 'picture') {
      this.frames.push(frame);
      return;
    }
    // A VideoFrame ties the pixels to their own timestamp; drawing the element might show a later picture.
    const image = new VideoFrame(this.video);
    const same = Math.abs(image.timestamp / 1e6 - metadata.mediaTime) < 0.0005;
    const seen = same ? read(image) : null;
    image.close();
    if (!same) {
      this.raced += 1;
      return;
    }
    this.frames.push({ ...frame, number: seen?.number ?? null, flash: seen?.flash ?? null });
  }
}

