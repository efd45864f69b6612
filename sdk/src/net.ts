// The net client: requests that the broker makes outside, and the names of
// secrets. No value of a secret is ever here.
import type * as api from '../dist/index';
import { AriaError } from './errors';
import { exchange, partMost } from './exchange';
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
    let body: Uint8Array | undefined;
    if (init.body !== undefined && init.body !== null) {
      const whole = new Response(init.body);
      // Asked before the body is read: Bun forgets it then, and has none for a string.
      const type = whole.headers.get('content-type') ?? (typeof init.body === 'string' ? 'text/plain;charset=UTF-8' : null);
      body = short(new Uint8Array(await whole.arrayBuffer()));
      if (type && !headers.has('content-type')) headers.set('content-type', type);
    }
    return exchange({ url, method: init.method ?? 'GET', headers: [...headers], body, auth: this.auth, redirect: init.redirect, signal: init.signal });
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

function short(b: Uint8Array): Uint8Array {
  if (b.length > partMost) {
    throw new AriaError('invalid', `the body of a request has at most ${partMost >> 20} MiB, and this one ${b.length} bytes`, { hint: 'send it in parts, or use fetch() itself' });
  }
  return b;
}
