// Frames on descriptor 3: a 4-byte big-endian length and that many bytes of JSON.
// Writes are synchronous, so they are ordered and done when send returns. Bun's
// native socket is used because loading node:fs costs 2.5 ms of every start.

export const maxFrame = 4 << 20; // bytes from inside to outside

// Held here because the unit shares these objects with us and may change them.
const { parse, stringify } = JSON;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const { sleepSync } = Bun;

let socket: any;
let held = new Uint8Array(0); // the beginning of a frame
// Frames are handed on one per turn of the event loop, so that what follows from
// one answer is done before the next is known. A unit that is taken up again
// then does the same in the same order, however its answers arrive.
const frames: any[] = [];
let turning = false;
const { setImmediate } = globalThis as any;

/** Opens the channel: open() once it can send, on(frame) for each frame, lost() when the other side is gone. */
export function connect(open: () => void, on: (frame: any) => void, lost: () => void): void {
  Bun.connect({
    fd: 3,
    socket: {
      binaryType: 'uint8array',
      open(s: any) {
        socket = s;
        open();
      },
      data: (_: any, chunk: Uint8Array) => take(chunk, on),
      close: lost,
      error: lost,
    },
  } as any);
}

/** Lets the process end although the channel is open, or keeps it. */
export function keepAlive(keep: boolean): void {
  if (keep) socket.ref();
  else socket.unref();
}

/** Writes one frame; false, with nothing written, if it is longer than allowed. */
export function send(frame: object): boolean {
  const buf = encode(frame);
  if (buf) write(buf);
  return buf !== undefined;
}

/** The bytes of one frame, or nothing if it is longer than allowed. */
export function encode(frame: object): Uint8Array | undefined {
  const text = encoder.encode(stringify(frame));
  if (text.length > maxFrame) return undefined;
  const buf = new Uint8Array(4 + text.length);
  new DataView(buf.buffer).setUint32(0, text.length);
  buf.set(text, 4);
  return buf;
}

/** Writes a frame that encode made. */
export function write(buf: Uint8Array): void {
  for (let at = 0; at < buf.length; ) {
    const n = socket.write(at === 0 ? buf : buf.subarray(at));
    if (n < 0) process.reallyExit(1); // nobody is left to tell
    at += n;
    if (n === 0) sleepSync(0.2); // the other side reads slowly
  }
}

/** Takes in what came from outside: on(frame) for each frame that is whole. */
export function take(chunk: Uint8Array, on: (frame: any) => void): void {
  let data = chunk;
  if (held.length > 0) {
    data = new Uint8Array(held.length + chunk.length);
    data.set(held);
    data.set(chunk, held.length);
  }
  let at = 0;
  while (data.length - at >= 4) {
    const end = at + 4 + new DataView(data.buffer, data.byteOffset + at).getUint32(0);
    if (data.length < end) break;
    frames[frames.length] = parse(decoder.decode(data.subarray(at + 4, end)));
    at = end;
  }
  held = data.slice(at);
  if (!turning) turn(on);
}

function turn(on: (frame: any) => void): void {
  const frame = frames.shift();
  turning = frames.length > 0;
  if (turning) setImmediate(() => turn(on));
  if (frame !== undefined) on(frame);
}
