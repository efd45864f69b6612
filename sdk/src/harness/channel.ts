// Frames on descriptor 3: a 4-byte big-endian length and that many bytes of JSON.
// Writes are synchronous, so they are ordered and done when send returns. Reading
// is synchronous until the unit runs; after that it goes on only while an answer
// is awaited, so a unit that asks nothing never starts a reader.
import fs from 'node:fs';

const fd = 3;
export const maxFrame = 4 << 20; // bytes from inside to outside

// Held here because the unit shares these objects with us and may change them.
const { readSync, writeSync, read } = fs;
const { parse, stringify } = JSON;

/** Writes one frame; false, with nothing written, if it is longer than allowed. */
export function send(frame: object): boolean {
  const text = stringify(frame);
  const buf = Buffer.allocUnsafe(4 + Buffer.byteLength(text));
  if (buf.length - 4 > maxFrame) return false;
  buf.writeUInt32BE(buf.length - 4, 0);
  buf.write(text, 4);
  for (let at = 0; at < buf.length; ) {
    at += retry(() => writeSync(fd, buf, at, buf.length - at));
  }
  return true;
}

/** Reads one frame and waits for it; undefined at the end of the stream. */
export function receive(): any {
  for (;;) {
    const frame = take();
    if (frame) return frame;
    const room = space();
    const n = retry(() => readSync(fd, room, 0, room.length, null));
    if (n === 0) return undefined;
    have += n;
  }
}

/** Reads in the background and calls on(frame) until it answers false; then end() if the stream is over. */
export function listen(on: (frame: any) => boolean, end: () => void): void {
  const room = space();
  read(fd, room, 0, room.length, null, (err, n) => {
    if (err && busy(err)) return void setTimeout(listen, 1, on, end);
    if (err || n === 0) return end();
    have += n;
    for (let frame; (frame = take()); ) if (!on(frame)) return;
    listen(on, end);
  });
}

let buf = Buffer.allocUnsafe(64 << 10);
let have = 0; // bytes of buf that are filled

function take(): any {
  if (have < 4) return undefined;
  const end = 4 + buf.readUInt32BE(0);
  if (have < end) return undefined;
  const frame = parse(buf.toString('utf8', 4, end));
  buf.copyWithin(0, end, have);
  have -= end;
  return frame;
}

// The free part of buf, which is made big enough for the frame that has begun.
function space(): Buffer {
  const need = have < 4 ? 4 : 4 + buf.readUInt32BE(0);
  if (need > buf.length || have === buf.length) {
    const bigger = Buffer.allocUnsafe(Math.max(need, 2 * buf.length));
    buf.copy(bigger, 0, 0, have);
    buf = bigger;
  }
  return buf.subarray(have);
}

// The socket blocks, unless whoever made it shares a non-blocking description.
function retry(op: () => number): number {
  for (;;) {
    try {
      return op();
    } catch (e) {
      if (!busy(e)) throw e;
      Bun.sleepSync(0.2);
    }
  }
}

function busy(e: any): boolean {
  return e.code === 'EAGAIN' || e.code === 'EINTR';
}
