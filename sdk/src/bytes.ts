// Bytes as they cross: base64, in pieces.
import type * as api from '../dist/index';
import { AriaError } from './errors';

/** Bytes of one piece: 2 MiB are 2.7 MiB of base64, and a frame has 4 MiB. */
export const piece = 2 << 20;

export const base64 = (b: Uint8Array): string => Buffer.from(b.buffer, b.byteOffset, b.byteLength).toString('base64');

/** A copy of its own, so that it can be seen as other numbers. */
export const unbase64 = (s: string): Uint8Array => new Uint8Array(Buffer.from(s, 'base64'));

const encoder = new TextEncoder();

export async function whole(content: api.Bytes): Promise<Uint8Array | undefined> {
  if (typeof content === 'string') return encoder.encode(content);
  if (content instanceof Uint8Array) return content;
  if (content instanceof ArrayBuffer) return new Uint8Array(content);
  if (content instanceof Blob) return content.size <= piece ? new Uint8Array(await content.arrayBuffer()) : undefined;
  if (typeof (content as any)?.[Symbol.asyncIterator] === 'function') return undefined;
  throw new AriaError('invalid', 'the content is neither text nor bytes', { hint: 'pass a string, a Uint8Array, a Blob or a stream' });
}

/** The content in pieces of at most 2 MiB, small ones put together. */
export async function* pieces(content: api.Bytes): AsyncGenerator<Uint8Array> {
  const all = await whole(content);
  if (all) {
    for (let at = 0; at < all.length; at += piece) yield all.subarray(at, at + piece);
    return;
  }
  let held: Uint8Array[] = [];
  let size = 0;
  for await (const part of (content instanceof Blob ? content.stream() : content) as AsyncIterable<Uint8Array | string>) {
    const bytes = typeof part === 'string' ? encoder.encode(part) : part;
    for (let at = 0; at < bytes.length; ) {
      const some = bytes.subarray(at, at + piece - size);
      held.push(some);
      at += some.length;
      if ((size += some.length) === piece) {
        yield join(held);
        [held, size] = [[], 0];
      }
    }
  }
  if (size > 0) yield join(held);
}

export function join(parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}
