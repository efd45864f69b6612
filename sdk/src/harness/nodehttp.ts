// node:http and node:https as effects of the run: their requests go where fetch
// goes (fetch.ts). The modules are changed only where the unit's code names them,
// before it is loaded: loading them costs what a whole start does.
import { exchange } from '../exchange';
import { connection, recording } from './fetch';
import type { File } from './load';

let done = false;

/** Makes ready what files may import. */
export function nodeModules(files: readonly File[]): void {
  if (done || !process.env.ARIA_GATE || !files.some((f) => /["'](node:)?https?["']/.test(f.content))) return;
  done = true;
  const { Writable, Readable } = require('node:stream');
  const parts = { Writable, Readable };
  patch(require('node:http'), 'http:', parts);
  patch(require('node:https'), 'https:', parts);
}

function patch(module: any, protocol: string, stream: any): void {
  const { request } = module;
  const Sent = sent(stream);
  module.request = (...args: any[]) => (recording() ? new Sent(protocol, args) : request(...args));
  module.get = (...args: any[]) => {
    const r = module.request(...args);
    r.end();
    return r;
  };
}

interface Target { url: URL; method: string; headers: Headers; timeout: number; signal?: AbortSignal; callback?: (r: any) => void }

// The arguments of http.request: url?, options?, callback?.
function target(protocol: string, args: any[]): Target {
  const first = args[0];
  const at = typeof first === 'string' || first instanceof URL ? new URL(String(first)) : undefined;
  const o = (at ? args.slice(1) : args).find((a) => a && typeof a === 'object') ?? {};
  const scheme = o.protocol ?? at?.protocol ?? protocol;
  const host = String(o.hostname ?? o.host ?? at?.hostname ?? 'localhost').replace(/:\d+$/, (p) => (o.hostname ? p : ''));
  const port = o.port ?? at?.port ?? '';
  const path = o.path ?? (at ? at.pathname + at.search : '/');
  const url = new URL(`${scheme}//${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}${port ? `:${port}` : ''}${path}`);
  const headers = new Headers();
  for (const [k, v] of entries(o.headers)) headers.append(k, v);
  if (o.auth && !headers.has('authorization')) headers.set('authorization', `Basic ${btoa(o.auth)}`);
  return { url, method: String(o.method ?? 'GET').toUpperCase(), headers, timeout: o.timeout ?? 0, signal: o.signal, callback: args.find((a) => typeof a === 'function') };
}

function entries(h: any): [string, string][] {
  if (!h) return [];
  const list: [string, any][] = Array.isArray(h) ? (Array.isArray(h[0]) ? h : h.flatMap((k, i) => (i % 2 ? [] : [[k, h[i + 1]]]))) : typeof h.entries === 'function' ? [...h.entries()] : Object.entries(h);
  return list.flatMap(([k, v]) => (v === undefined ? [] : Array.isArray(v) ? v.map((x): [string, string] => [k, String(x)]) : [[k, String(v)] as [string, string]]));
}

// A ClientRequest as far as clients look at it.
function sent({ Writable, Readable }: any): any {
  return class ClientRequest extends Writable {
    constructor(protocol: string, args: any[]) {
      super({ autoDestroy: false });
      const t = target(protocol, args);
      Object.assign(this, { t, chunks: [], gone: new AbortController(), method: t.method, path: t.url.pathname + t.url.search, host: t.url.hostname, protocol: t.url.protocol, aborted: false, headersSent: false, reusedSocket: false, socket: null });
      if (t.callback) this.once('response', t.callback);
      if (t.timeout) this.setTimeout(t.timeout);
      if (t.signal?.aborted) queueMicrotask(() => this.destroy(t.signal!.reason));
      else t.signal?.addEventListener('abort', () => this.destroy(t.signal!.reason), { once: true });
    }
    _write(chunk: any, encoding: any, next: () => void) {
      this.chunks.push(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk);
      next();
    }
    _final(next: () => void) {
      next();
      this.headersSent = true;
      void this.ask();
    }
    async ask() {
      const { url, method, headers } = this.t;
      connection(headers, url);
      const body = this.chunks.length > 0 ? new Uint8Array(Buffer.concat(this.chunks)) : undefined;
      try {
        const r = await exchange({ url: url.href, method, headers: [...headers] as [string, string][], body, redirect: 'manual', signal: this.gone.signal });
        clearTimeout(this.timer);
        if (!this.destroyed) this.told(r);
      } catch (e) {
        clearTimeout(this.timer);
        if (!this.destroyed) this.destroy(e);
      }
    }
    told(r: Response) {
      const res: any = r.body ? Readable.fromWeb(r.body) : Readable.from([]);
      const list = [...r.headers] as [string, string][];
      const headers: Record<string, any> = {};
      for (const [k, v] of list) headers[k] = k === 'set-cookie' ? [...(headers[k] ?? []), v] : v;
      Object.assign(res, { statusCode: r.status, statusMessage: r.statusText, headers, rawHeaders: list.flat(), httpVersion: '1.1', httpVersionMajor: 1, httpVersionMinor: 1, trailers: {}, rawTrailers: [], complete: false, aborted: false, url: '', req: this, socket: null, setTimeout: () => res });
      res.once('end', () => { res.complete = true; this.emit('close'); });
      this.res = res;
      if (!this.emit('response', res)) res.resume();
    }
    _destroy(e: any, next: (e: any) => void) {
      clearTimeout(this.timer);
      this.gone.abort(e ?? new DOMException('the request was given up', 'AbortError'));
      if (!this.res && !e) e = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
      next(e);
      queueMicrotask(() => this.emit('close'));
    }
    abort() {
      this.aborted = true;
      this.emit('abort');
      this.destroy();
    }
    setTimeout(ms: number, on?: () => void) {
      clearTimeout(this.timer);
      if (on) this.once('timeout', on);
      if (ms > 0) this.timer = setTimeout(() => this.emit('timeout'), ms);
      return this;
    }
    setHeader(k: string, v: any) {
      this.t.headers.delete(k);
      for (const x of Array.isArray(v) ? v : [v]) this.t.headers.append(k, String(x));
      return this;
    }
    getHeader(k: string) { return this.t.headers.get(k) ?? undefined; }
    hasHeader(k: string) { return this.t.headers.has(k); }
    removeHeader(k: string) { this.t.headers.delete(k); }
    getHeaders() { return Object.fromEntries(this.t.headers); }
    getHeaderNames() { return [...this.t.headers.keys()]; }
    flushHeaders() {}
    setNoDelay() {}
    setSocketKeepAlive() {}
  };
}
