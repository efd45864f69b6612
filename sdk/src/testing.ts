// A host in memory, with the answers the broker would give. It speaks the same
// operations as docs/spec/harness.md, and shares no code with the SDK proper so
// that both can be loaded beside each other.
import type { LlmRequest, MemoryHost } from '../dist/testing';

interface Cell { value: unknown; version: number; until: number }

export function memoryHost(): MemoryHost {
  const logs: MemoryHost['logs'] = [];
  const spaces = new Map<string, Map<string, Cell>>();
  const versions = new Map<string, number>(); // of every key ever written, so that none is used again
  const space = (ns: string) => {
    let s = spaces.get(ns);
    if (!s) spaces.set(ns, (s = new Map()));
    for (const [k, c] of s) if (c.until <= Date.now()) s.delete(k);
    return s;
  };
  const write = (a: any) => {
    const id = JSON.stringify([a.ns, a.key]);
    const version = (versions.get(id) ?? 0) + 1;
    versions.set(id, version);
    space(a.ns).set(a.key, { value: a.value, version, until: a.ttlMs ? Date.now() + a.ttlMs : Infinity });
    return { version };
  };
  let server: Parameters<MemoryHost['onFetch']>[0] | undefined;
  const ops: Record<string, (a: any) => unknown> = {
    'net.fetch': async (a) => {
      if (!server) throw { code: 'unavailable', message: `no server answers ${a.url} in a test`, hint: 'host.onFetch(request => new Response(...))' };
      const body = a.body === undefined ? undefined : Uint8Array.from(atob(a.body), (c) => c.charCodeAt(0));
      const r = await server(new Request(a.url, { method: a.method, headers: a.headers, body }), a.auth ? a.auth.split(':')[1] : undefined);
      const text = Array.from(new Uint8Array(await r.arrayBuffer()), (b) => String.fromCharCode(b)).join('');
      return { status: r.status, statusText: r.statusText, url: a.url, redirected: false, headers: [...r.headers], body: btoa(text) };
    },
    'secret.get': (a) => {
      throw { code: 'denied', message: `the value of secret:${a.name} never enters a container`, hint: `bind it to a host: net('api.example.com', { auth: secret('${a.name}') })` };
    },
    'kv.get': (a) => {
      const c = space(a.ns).get(a.key);
      return c ? { value: c.value, version: c.version } : null;
    },
    'kv.list': (a) => {
      const keys = [...space(a.ns).keys()].filter((k) => k.startsWith(a.prefix ?? '') && (!a.after || k > a.after)).sort();
      const limit = a.limit ?? 100;
      const items = keys.slice(0, limit).map((key) => ({ key, value: space(a.ns).get(key)!.value, version: space(a.ns).get(key)!.version }));
      return { items, next: keys.length > limit ? items.at(-1)!.key : '' };
    },
    'kv.put': write,
    'kv.cas': (a) => {
      const has = space(a.ns).get(a.key)?.version ?? 0;
      if (has !== a.version) throw { code: 'conflict', message: `kv "${a.ns}": "${a.key}" has version ${has}, not ${a.version}` };
      if (!a.delete) return write(a);
      space(a.ns).delete(a.key);
      return { version: a.version };
    },
    'kv.delete': (a) => ({ deleted: space(a.ns).delete(a.key) }),
    'llm.chat': async (a) => {
      if (!memory.llm) throw { code: 'unavailable', message: `no answer of ${a.model} is prepared`, hint: "set one: host.llm = (request) => 'text'" };
      const r = await memory.llm(a as LlmRequest);
      return { stop: 'end', usage: { inputTokens: 0, outputTokens: 0 }, ...(typeof r === 'string' ? { text: r } : r) };
    },
    'llm.embed': (a) => ({ vectors: a.input.map(vector), usage: { inputTokens: 0, outputTokens: 0 } }),
  };
  const host = {
    async call(op: string, args: object) {
      const f = ops[op];
      if (!f) throw { code: 'unimplemented', message: `the host in memory does not know ${op}` };
      checkKey((args as any).key);
      return structuredClone(await f(JSON.parse(JSON.stringify(args))));
    },
    log: (level: any, text: string, fields?: object) => void logs.push(fields ? { level, text, fields } : { level, text }),
    use: (cls: any) => new cls(),
  };
  (globalThis as any)[Symbol.for('aria.host')] = host;
  const memory: MemoryHost = {
    logs,
    dump: (ns) => Object.fromEntries([...space(ns)].map(([k, c]) => [k, structuredClone(c.value)])),
    onFetch: (answer) => { server = answer; },
    reset: () => { logs.length = 0; spaces.clear(); server = undefined; delete memory.llm; },
  };
  return memory;
}

// A vector for tests: the same words, the same direction; no meaning is in it.
function vector(text: string): number[] {
  const v = new Array<number>(32).fill(0);
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ['']) {
    let h = 2166136261;
    for (const c of word) h = Math.imul(h ^ c.codePointAt(0)!, 16777619);
    v[(h >>> 0) % 32]! += 1;
  }
  const length = Math.hypot(...v);
  return v.map((x) => x / length);
}

function checkKey(key: unknown): void {
  if (key === undefined) return;
  const n = new TextEncoder().encode(String(key)).length;
  if (n < 1 || n > 512 || String(key).includes('\0')) {
    throw { code: 'invalid', message: `a kv key is 1 to 512 bytes without NUL; this one has ${n}` };
  }
}
