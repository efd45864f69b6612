import { beforeEach, expect, test } from 'bun:test';
import { AriaError, net, secret } from './index';
import { memoryHost } from './testing';

const host = memoryHost();
beforeEach(() => host.reset());

async function failure(p: Promise<unknown>): Promise<AriaError> {
  return p.then(() => { throw new Error('it did not fail'); }, (e) => e);
}

test('a request crosses and comes back', async () => {
  host.onFetch(async (r) => Response.json({ url: r.url, method: r.method, type: r.headers.get('content-type'), body: await r.text() }, { status: 201, headers: { 'x-a': '1' } }));
  const api = net('api.example.com');
  const r = await api.fetch('/v1/x?y=1', { method: 'POST', body: new URLSearchParams({ a: 'ü' }) });
  expect(r.status).toBe(201);
  expect(r.url).toBe('https://api.example.com/v1/x?y=1');
  expect(r.headers.get('x-a')).toBe('1');
  expect(await r.json()).toEqual({ url: 'https://api.example.com/v1/x?y=1', method: 'POST', type: 'application/x-www-form-urlencoded;charset=UTF-8', body: 'a=%C3%BC' });
});

test.each([
  ['api.example.com', '/a', 'https://api.example.com/a'],
  ['api.example.com:8443', 'a', 'https://api.example.com:8443/a'],
  ['api.example.com:80', '/a', 'http://api.example.com/a'],
  ['http://api.example.com:8080', '/a', 'http://api.example.com:8080/a'],
  ['api.example.com', 'https://other.example/b', 'https://other.example/b'],
  ['*.example.com', 'https://x.example.com/b', 'https://x.example.com/b'],
])('%s and %s is %s', async (at, path, want) => {
  let seen = '';
  host.onFetch((r) => { seen = r.url; return new Response(null, { status: 204 }); });
  expect((await net(at).fetch(path)).status).toBe(204);
  expect(seen).toBe(want);
});

test('a credential crosses by its name only', async () => {
  const asked: any[] = [];
  const real = (globalThis as any)[Symbol.for('aria.host')];
  (globalThis as any)[Symbol.for('aria.host')] = { ...real, call: async (op: string, a: any) => { asked.push(a.auth); return { status: 200, headers: [] }; } };
  const k = secret('KEY');
  for (const auth of [k, { bearer: k }, { basic: k }, { basic: k, user: 'me' }, { header: 'X-Api-Key', value: k }, { query: 'key', value: k }]) {
    await net('API.example.com', { auth }).fetch('/');
  }
  await net('api.example.com:8443', { auth: k }).fetch('/');
  (globalThis as any)[Symbol.for('aria.host')] = real;
  const at = 'secret:KEY:api.example.com:443:';
  expect(asked).toEqual([`${at}bearer`, `${at}bearer`, `${at}basic`, `${at}basic:me`, `${at}header:X-Api-Key`, `${at}query:key`, 'secret:KEY:api.example.com:8443:bearer']);
  expect(`${k} ${JSON.stringify({ k })}`).toBe('[secret KEY] {"k":"[secret KEY]"}');
});

test('the value of a secret is refused', async () => {
  const e = await failure(secret('KEY').value());
  expect(e).toBeInstanceOf(AriaError);
  expect(e.code).toBe('denied');
  expect(e.message).toContain('secret:KEY never enters a container');
});

test('without a server a request fails', async () => {
  expect((await failure(net('api.example.com').fetch('/'))).code).toBe('unavailable');
});

test('an abort is not waited for', async () => {
  host.onFetch(() => new Promise<Response>(() => {}));
  const e: any = await failure(net('api.example.com').fetch('/', { signal: AbortSignal.timeout(10) }));
  expect(e.name).toBe('TimeoutError');
});

test('a long body is refused before it crosses', async () => {
  expect((await failure(net('api.example.com').fetch('/', { method: 'POST', body: 'x'.repeat((2 << 20) + 1) }))).code).toBe('invalid');
});
