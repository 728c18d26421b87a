// Words for people: figures as one reads them, and errors as sentences with the command that cures them.
//
// The gallery and the upload page share this file. Nothing here touches the page.

// Figures.

/** A length in seconds: 0:05, 12:40, 1:02:03. */
export function clock(seconds) {
  if (!Number.isFinite(seconds)) return '';
  const whole = seconds > 0 ? Math.max(1, Math.round(seconds)) : 0;
  const two = (n) => String(n).padStart(2, '0');
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** A remaining time: 12 s, 3 min, 2 h 10 min. */
export function wait(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function rate(bits) {
  if (!(bits > 0)) return '–';
  return bits < 1e6 ? `${Math.round(bits / 1e3)} kb/s` : `${(bits / 1e6).toFixed(bits < 1e7 ? 2 : 1)} Mb/s`;
}

export function size(bytes) {
  if (bytes < 1e3) return `${bytes} bytes`;
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

export function frames(perSecond) {
  return perSecond > 0 ? `${Number(perSecond.toFixed(2))} fps` : '';
}

// Names.

const CODECS = [
  [/^avc[13]/, 'H.264'], [/^(hvc1|hev1)/, 'HEVC'], [/^(vvc1|vvi1)/, 'VVC'], [/^dv(h1|he|av|a1)/, 'Dolby Vision'],
  [/^av01/, 'AV1'], [/^vp09/, 'VP9'], [/^vp08/, 'VP8'], [/^mp4v/, 'MPEG-4 Visual'], [/^(apc|ap4)/, 'ProRes'],
  [/^mp4a\.40\.29/, 'HE-AAC v2'], [/^mp4a\.40\.5$/, 'HE-AAC'], [/^mp4a\.40\.42/, 'xHE-AAC'],
  [/^mp4a\.(40\.34|6b|69)/i, 'MP3'], [/^mp4a/, 'AAC'], [/^ac-3/, 'AC-3'], [/^ec-3/, 'E-AC-3'], [/^ac-4/, 'AC-4'],
  [/^opus/i, 'Opus'], [/^flac/i, 'FLAC'], [/^alac/, 'ALAC'], [/^mh[am]1/, 'MPEG-H Audio'], [/^iamf/, 'IAMF'],
];

export function codecName(codec) {
  return CODECS.find(([shape]) => shape.test(codec ?? ''))?.[1] ?? codec ?? 'unknown codec';
}

export function languageName(tag) {
  if (!tag || tag === 'und') return null;
  try {
    return new Intl.DisplayNames(['en'], { type: 'language' }).of(tag);
  } catch {
    return tag; // not a BCP 47 tag: the file's own word is the best there is
  }
}

function channelWord(channels) {
  return { 1: 'mono', 2: 'stereo', 6: '5.1', 8: '7.1' }[channels] ?? (channels ? `${channels} channels` : null);
}

export function audioName({ label, language, channels, name }, index) {
  const spoken = label || languageName(language) || name || `Track ${index + 1}`;
  const channel = channelWord(channels);
  return channel ? `${spoken}, ${channel}` : spoken;
}

export function levelName({ width, height, bandwidth, frameRate }) {
  const shape = width && height ? `${width}×${height}` : 'Audio';
  return [shape, frames(frameRate), bandwidth > 0 ? rate(bandwidth) : ''].filter(Boolean).join(' · ');
}

/** The last part of an address, as people write it. */
export function tail(url) {
  const part = new URL(url, location.href).pathname.split('/').pop() || 'the address';
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

// Answers.

const STATUS = {
  401: 'it wants a key', 403: 'it does not allow this', 404: 'it does not find it', 410: 'it was removed',
  429: 'it is asked too often', 500: 'it cannot build it', 502: 'its storage does not answer',
  503: 'it is busy; try again soon', 504: 'its storage is too slow',
};

export function answered(status, url) {
  const reason = STATUS[status];
  return `The server answers ${status} for ${tail(url)}${reason ? `: ${reason}` : ''}.`;
}

// Cures.

const incomplete = (needs, has) => `This file is incomplete: it needs at least ${size(needs)} and has ${size(has)}. Copy it again.`;

const COPY = (input, output) => `ffmpeg -i ${input} -c copy -movflags +faststart ${output}`;
const REPAIR = (input, output) => `ffmpeg -err_detect ignore_err -i ${input} -c copy -movflags +faststart ${output}`;
const ENCODE = (input, output) => `ffmpeg -i ${input} -c:v libx264 -crf 20 -pix_fmt yuv420p -force_key_frames "expr:gte(t,n_forced*2)" -c:a aac -movflags +faststart ${output}`;

/** The server's messages on a file: pattern, explanation, and the command that fixes it. The first match counts. */
const FINDINGS = [
  [/needs bytes up to (\d+), the object ends at (\d+)/, ([needs, has]) => incomplete(needs, has)],
  [/at byte (\d+) claims (\d+) bytes; a box has at least 8, and (\d+) are left/, ([at, claims, left]) => (
    claims > left ? incomplete(at + claims, at + left) : null)],
  [/samples take (\d+) bytes, the object has (\d+)/, ([needs, has]) => incomplete(needs, has)],
  [/no `moov` among/, () => 'This file is incomplete: its index (moov) is missing. It was cut short, or its recording never finished. Copy it again.'],
  [/the file is empty/, () => 'This file is empty. Copy it again.'],
  [/is being written/, () => 'This file is still being copied. It plays once that is done.'],
  [/this is no MP4 or QuickTime file/, () => 'This is no MP4, whatever its name says. If it is a film in another container, put it into an MP4:', COPY],
  [/files of type .* are understood/, () => 'Files of this kind are not understood. If it is a film in another container, put it into an MP4:', COPY],
  [/edits-not-contiguous/, () => 'The edit list of this file jumps from place to place, which segments cannot follow. Encode the edited film:', ENCODE],
  [/edit-rate/, () => 'The edit list of this file changes the speed, which players do not follow. Encode the edited film:', ENCODE],
  [/edit-beyond-media/, () => 'The edit list of this file begins behind its last frame. Write the file again without it:', (input, output) => `ffmpeg -ignore_editlist 1 -i ${input} -c copy -movflags +faststart ${output}`],
  [/changes its sample entry/, () => 'This file changes its codec settings in the middle. Encode it with one setting throughout:', ENCODE],
  [/encrypted|`enc[va]`|senc/, () => 'This file is encrypted. Store it in the clear: only whoever holds the key can decrypt it.'],
  [/no track can be served/, () => 'Nothing in this file can be played: no track has a codec that is known here. Encode it:', ENCODE],
  [/permission denied/, () => 'The server is not allowed to read this file. Give it the right to:', (input) => `chmod a+r ${input}`],
  [/is the second, and differs/, () => 'This file has two headers that differ. Write it again with one:', COPY],
  [/its name is also that of/, () => 'Another file or folder has the same name. Rename one of them.'],
  [/cannot be part of an asset's name/, () => 'This name is reserved or too long. Rename the file.'],
  [/not a regular file/, () => 'This is no file but a folder, pipe or device with the name of one.'],
  [/no such MP4 or QuickTime file/, () => 'asset.json names a file that is not there. Put it there, or take it out of asset.json.'],
  [/asset\.json/, () => 'The asset.json of this folder cannot be used.'],
  [/starts at -?\d+ µs/, () => 'A track of this file starts far away from the others. Write the file again:', COPY],
  [/`[^`]{4}` (at byte|holds)|track_ID|stsc|stsz|stss|chunk \d|samples/, () => 'This file is damaged. Copy it again. If the original is damaged too, this may save most of it:', REPAIR],
];

/** A file's name, quoted for a shell; a placeholder if it is hard to type. */
function shell(name) {
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name)) return 'input.mp4';
  return /^[\w./@+-]+$/.test(name) && !name.startsWith('-') ? name : `'${name.replaceAll("'", "'\\''")}'`;
}

/** The name of the fixed file. */
const fixed = (name) => name.replace(/(\.[^.]*)?$/, '-fixed.mp4');

/** Explains `detail`, the server's message on a file, as { words, command, detail }; command is null if none helps.
 * `file` is the name that the reader knows, if it differs from the one in the message. */
export function explain(detail, file = null) {
  const named = /^(?:Unplayable: )?(.+?\.(?:mp4|m4v|m4a|m4b|mov|qt|f4v|3gp|3g2|isma|ismv|mkv|webm|avi|ts)): /i.exec(detail);
  const name = file ?? named?.[1].split('/').pop() ?? 'input.mp4';
  for (const [shape, words, command] of FINDINGS) {
    const found = shape.exec(detail);
    const said = found && words(found.slice(1).map(Number));
    if (!said) continue;
    const output = /\.(mp4|m4v|m4a|m4b|mov|qt|f4v|3gp|3g2|isma|ismv)$/i.test(name) ? fixed(name) : name.replace(/(\.[^.]*)?$/, '.mp4');
    return { words: said, command: command?.(shell(name), shell(output)) ?? null, detail };
  }
  return { words: detail, command: null, detail: null };
}

/** The command that makes a file play everywhere. */
export const encode = (file) => ENCODE(shell(file), shell(fixed(file)));

/** The command that fixes a lint finding in the file that `message` names; null if there is none. */
export function cure(code, message) {
  const command = {
    'moov-at-end': COPY, 'totals-differ': COPY, 'no-sync-table': COPY, 'unaligned-keyframes': ENCODE, 'long-gop': ENCODE,
    'open-gop': ENCODE, 'no-keyframe': ENCODE, 'edit-inside-gop': ENCODE, 'plays-nowhere': ENCODE, 'not-in-browsers': ENCODE,
    'aac-program-config': ENCODE,
  }[code];
  const name = /^(.+?\.(?:mp4|m4v|m4a|m4b|mov|qt|f4v|3gp|3g2|isma|ismv)): /i.exec(message)?.[1].split('/').pop();
  return command && name ? command(shell(name), shell(fixed(name))) : null;
}
