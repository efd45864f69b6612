// One HTTP request that the broker makes outside, and its answer as a Response:
// what the net handle and the recorded fetch of the harness have in common.
import { AriaError } from './errors';
import { call } from './host';

export interface Asked {
  url: string;
  method: string;
  headers: [string, string][];
  body?: Uint8Array | undefined;
  auth?: string;
  redirect?: string | undefined;
  signal?: AbortSignal | null | undefined;
}

export const partMost = 2 << 20; // bytes of a body in one frame
export const bodyMost = 16 << 20;

let last = 0; // name of the last request that can be given up

/** Makes the request; the answer's body comes as it comes. */
export async function exchange(a: Asked): Promise<Response> {
  const { url, method, headers, body, auth = '', redirect = 'follow', signal } = a;
  if (body && body.length > bodyMost) {
    throw new AriaError('invalid', `the body of a request has at most ${bodyMost >> 20} MiB, and this one ${body.length} bytes`, { hint: 'send it in parts' });
  }
  if (signal?.aborted) throw signal.reason;
  const args: any = { url, method, headers, auth, redirect };
  if (signal) args.name = ++last;
  if (body && body.length > partMost) args.parts = await parts(body);
  else if (body) args.body = base64(body);
  return response(await unless(signal, args.name, call('net.fetch', args)), signal);
}

async function parts(body: Uint8Array): Promise<number[]> {
  const out: Promise<{ part: number }>[] = [];
  for (let at = 0; at < body.length; at += partMost) out.push(call('net.part', { body: base64(body.subarray(at, at + partMost)) }));
  return (await Promise.all(out)).map((p) => p.part);
}

// What is given up is told outside, where the request ends too: the answer is then
// "cancelled", in the record as well, and a unit that is taken up again waits for
// its signal as it did the first time.
async function unless<T>(signal: AbortSignal | null | undefined, name: number | undefined, asked: Promise<T>): Promise<T> {
  if (!signal) return asked;
  return new Promise<T>((resolve, reject) => {
    const stop = () => {
      call('net.close', { name }).catch(() => {});
      reject(signal.reason);
    };
    signal.addEventListener('abort', stop, { once: true });
    asked.then((v) => {
      signal.removeEventListener('abort', stop);
      resolve(v);
    }, (e) => {
      if (e?.code === 'cancelled') { // the signal says so, or will
        const hold = setInterval(() => {}, 0x7fffffff);
        if (signal.aborted) clearInterval(hold);
        else signal.addEventListener('abort', () => clearInterval(hold), { once: true });
        return;
      }
      signal.removeEventListener('abort', stop);
      reject(e);
    });
  });
}

interface Part { body?: string; stream?: number; again?: boolean }

function response(r: any, signal: AbortSignal | null | undefined): Response {
  const empty = r.status === 204 || r.status === 205 || r.status === 304;
  const out = new Response(empty ? null : content(r, signal), { status: r.status, statusText: r.statusText, headers: r.headers ?? [] });
  // A Response that was not fetched has no URL of its own.
  Object.defineProperties(out, { url: { value: r.url }, redirected: { value: r.redirected } });
  return out;
}

function content(first: Part, signal: AbortSignal | null | undefined): BodyInit {
  if (!first.stream) return bytes(first.body);
  const { stream, again } = first;
  let next: Part | undefined = first;
  let over = false;
  const close = () => call('net.close', { stream });
  return new ReadableStream<Uint8Array>({
    start(to) {
      signal?.addEventListener('abort', () => {
        if (over) return;
        over = true;
        to.error(signal.reason);
        close().catch(() => {});
      }, { once: true });
    },
    async pull(to) {
      const part: Part = next ?? await call('net.read', again ? { stream, again } : { stream });
      next = undefined;
      if (over) return;
      if (part.body) to.enqueue(bytes(part.body));
      if (!part.stream) {
        over = true;
        to.close();
      }
    },
    async cancel() {
      over = true;
      await close();
    },
  });
}

function bytes(text = ''): Uint8Array<ArrayBuffer> {
  const s = atob(text);
  const out = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) out[i] = s.charCodeAt(i);
  return out;
}

function base64(b: Uint8Array): string {
  let s = '';
  for (let i = 0; i < b.length; i += 32768) s += String.fromCharCode(...b.subarray(i, i + 32768));
  return btoa(s);
}
