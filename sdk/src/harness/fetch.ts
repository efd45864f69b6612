// fetch as an effect of the run: in a durable execution an unmodified fetch asks
// the broker, as the net handle does, so that its answer is in the record before
// the unit goes on from it. What is put in place is the machine's own until
// record() says otherwise: code that was loaded before its run was known may have
// kept it.
import { exchange } from '../exchange';

const real: any = globalThis.fetch;
let on = false;

/** Puts the fetch that can be recorded in place. */
export function recordable(): void {
  const f = async (input: any, init?: any) => (on && web(input) ? recorded(input, init ?? {}) : real(input, init));
  (globalThis as any).fetch = Object.assign(f, real);
}

/** From here on requests are effects. */
export function record(): void {
  on = true;
}

/** Whether requests are effects. */
export const recording = (): boolean => on;

const web = (input: any): boolean => !/^(data|blob|file):/i.test(String(input?.url ?? input));

async function recorded(input: any, init: any): Promise<Response> {
  const from: any = input instanceof Request ? input : {};
  const url = new URL(String(input?.url ?? input));
  const headers = new Headers(init.headers ?? from.headers);
  const method = String(init.method ?? from.method ?? 'GET').toUpperCase();
  const given = init.body ?? (from.body && from);
  let body: Uint8Array | undefined;
  if (given !== undefined && given !== null) {
    const [type, b] = plain(given) ?? (await whole(given, headers));
    body = b;
    if (type && !headers.has('content-type')) headers.set('content-type', type);
  }
  connection(headers, url);
  return exchange({ url: url.href, method, headers: [...headers] as [string, string][], body, redirect: init.redirect ?? from.redirect, signal: init.signal ?? from.signal });
}

/** Takes out what belongs to the connection, which is made outside. */
export function connection(headers: Headers, url: URL): void {
  for (const name of ['connection', 'proxy-connection', 'keep-alive', 'content-length', 'transfer-encoding', 'te', 'expect', 'upgrade']) headers.delete(name);
  if (headers.get('host') === url.host) headers.delete('host');
}

const text = new TextEncoder();

// What is there at once is asked with at once: no turn of the event loop comes
// between the call of fetch and its number.
function plain(body: any): [type: string, bytes: Uint8Array] | undefined {
  if (typeof body === 'string') return ['text/plain;charset=UTF-8', text.encode(body)];
  if (body instanceof URLSearchParams) return ['application/x-www-form-urlencoded;charset=UTF-8', text.encode(String(body))];
  if (body instanceof ArrayBuffer) return ['', new Uint8Array(body.slice(0))];
  if (ArrayBuffer.isView(body)) return ['', new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice()];
  return undefined;
}

async function whole(body: any, headers: Headers): Promise<[type: string, bytes: Uint8Array]> {
  const r: any = body instanceof Request ? body : new Response(body);
  const type = r.headers.get('content-type') ?? '';
  const bytes = new Uint8Array(await r.arrayBuffer());
  const made = /^multipart\/form-data; *boundary="?(-*WebKitFormBoundary[0-9a-z]+)/i.exec(headers.get('content-type') ?? type)?.[1];
  if (!made) return [type, bytes];
  // The runtime's boundary is chance of its own; the run's is the same each time.
  const steady = `----AriaFormBoundary${crypto.randomUUID().replaceAll('-', '')}`;
  headers.set('content-type', `multipart/form-data; boundary=${steady}`);
  const swapped = Buffer.from(bytes).toString('latin1').replaceAll(made, steady);
  return ['', new Uint8Array(Buffer.from(swapped, 'latin1'))];
}
