// Recordings as WAV: browsers record WebM or MP4, which not every server of a speech model can read.

const RATE = 16_000; // samples per second; what speech models listen to

/** The same sound, mono. Rejects where the browser cannot read it. */
export async function asWav(recording: Blob): Promise<Blob> {
  // Reading converts to the context's rate; nothing is ever played through it.
  const context = new OfflineAudioContext(1, 1, RATE);
  const sound = await context.decodeAudioData(await recording.arrayBuffer());
  return wav(mixed(Array.from({ length: sound.numberOfChannels }, (_, at) => sound.getChannelData(at))), RATE);
}

/** The mean of the channels; all have the same length. */
export function mixed(channels: readonly Float32Array[]): Float32Array {
  const mono = new Float32Array(channels[0]?.length ?? 0);
  for (const channel of channels) for (let at = 0; at < mono.length; at += 1) mono[at]! += channel[at]! / channels.length;
  return mono;
}

/** 16 bits, one channel. `samples` are between -1 and 1. */
export function wav(samples: Float32Array, rate: number): Blob {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at: number, letters: string): void => [...letters].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, view.byteLength - 8, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes that describe the format
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true); // bytes per second
  view.setUint16(32, 2, true); // bytes per sample
  view.setUint16(34, 16, true); // bits per sample
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, at) => view.setInt16(44 + 2 * at, Math.round(Math.max(-1, Math.min(1, sample)) * 0x7fff), true));
  return new Blob([view.buffer], { type: "audio/wav" });
}
