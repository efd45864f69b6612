// The net client: requests that the broker makes outside, and the names of
// secrets. No value of a secret is ever here.
import type * as api from '../dist/index';
import { AriaError } from './errors';
import { call } from './host';

class Name implements api.Secret {
  constructor(readonly name: string) {}
  value(): Promise<never> { return call('secret.get', { name: this.name }) as Promise<never>; }
  toString(): string { return `[secret ${this.name}]`; }
  toJSON(): string { return this.toString(); }
}

export const secret: typeof api.secret = (name) => new Name(name) as api.Secret;

class Client implements api.Net {
  private readonly base: string;
  private readonly auth: string;

  constructor(host: string, opts: api.NetOpts = {}) {
    this.base = host.includes('://') ? host : `${host.endsWith(':80') ? 'http' : 'https'}://${host}`;
    this.auth = opts.auth ? binding(this.base, opts.auth) : '';
  }

  async fetch(input: string | URL, init: RequestInit = {}): Promise<Response> {
    const url = this.base.includes('*') ? String(input) : new URL(String(input), this.base).href;
    const headers = new Headers(init.headers);
    let body: string | undefined;
    if (init.body !== undefined && init.body !== null) {
      const whole = new Response(init.body);
      // Asked before the body is read: Bun forgets it then, and has none for a string.
      const type = whole.headers.get('content-type') ?? (typeof init.body === 'string' ? 'text/plain;charset=UTF-8' : null);
      body = base64(new Uint8Array(await whole.arrayBuffer()));
      if (type && !headers.has('content-type')) headers.set('content-type', type);
    }
    const args = { url, method: init.method ?? 'GET', headers: [...headers], body, auth: this.auth, redirect: init.redirect ?? 'follow' };
    return response(await unless(init.signal, call('net.fetch', args)));
  }
}

export const net: typeof api.net = (host, opts) => new Client(host, opts);

// The token that arc wrote into the bundle for the same literals.
function binding(base: string, auth: api.NetAuth): string {
  const at = new URL(base);
  const port = at.port || (at.protocol === 'http:' ? '80' : '443');
  const [name, form] = 'bearer' in auth ? [auth.bearer.name, 'bearer']
    : 'basic' in auth ? [auth.basic.name, auth.user ? `basic:${auth.user}` : 'basic']
    : 'header' in auth ? [auth.value.name, `header:${auth.header}`]
    : 'query' in auth ? [auth.value.name, `query:${auth.query}`]
    : [auth.name, 'bearer'];
  return `secret:${name}:${at.hostname}:${port}:${form}`;
}

// A question cannot be taken back, but nobody has to wait for its answer.
async function unless<T>(signal: AbortSignal | null | undefined, asked: Promise<T>): Promise<T> {
  if (!signal) return asked;
  return new Promise<T>((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    asked.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

interface Part { body?: string; stream?: number }

function response(r: any): Response {
  const empty = r.status === 204 || r.status === 205 || r.status === 304;
  const out = new Response(empty ? null : content(r), { status: r.status, statusText: r.statusText, headers: r.headers ?? [] });
  // A Response that was not fetched has no URL of its own.
  Object.defineProperties(out, { url: { value: r.url }, redirected: { value: r.redirected } });
  return out;
}

function content(first: Part): BodyInit {
  if (!first.stream) return bytes(first.body);
  const stream = first.stream;
  let next: Part | undefined = first;
  return new ReadableStream<Uint8Array>({
    async pull(to) {
      const part: Part = next ?? await call('net.read', { stream });
      next = undefined;
      if (part.body) to.enqueue(bytes(part.body));
      if (!part.stream) to.close();
    },
    async cancel() {
      await call('net.close', { stream });
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
  if (b.length > 2 << 20) {
    throw new AriaError('invalid', `the body of a request has at most 2 MiB, and this one ${b.length} bytes`, { hint: 'send it in parts, or use fetch() itself' });
  }
  let s = '';
  for (let i = 0; i < b.length; i += 32768) s += String.fromCharCode(...b.subarray(i, i + 32768));
  return btoa(s);
}
