// A host in memory, with the answers the broker would give. It speaks the same
// operations as docs/spec/harness.md, and shares no code with the SDK proper so
// that both can be loaded beside each other.
import type { LlmRequest, MemoryHost } from '../dist/testing';
import type { Ops } from './memory/common';
import { MemoryBlob } from './memory/blob';
import { MemoryFs } from './memory/fs';
import { MemoryKV } from './memory/kv';
import { MemoryNet } from './memory/net';
import { MemoryQueue } from './memory/queue';
import { MemoryVector } from './memory/vector';

export function memoryHost(): MemoryHost {
  const logs: MemoryHost['logs'] = [];
  const kv = new MemoryKV();
  const queues = new MemoryQueue();
  const vectors = new MemoryVector();
  const servers = new MemoryNet();
  const all = [kv, vectors, queues, servers, new MemoryBlob(), new MemoryFs()];
  const ops: Ops = Object.assign(locks(), ...all.map((s) => s.ops), {
    'llm.chat': async (a: any) => {
      if (!memory.llm) throw { code: 'unavailable', message: `no answer of ${a.model} is prepared`, hint: "set one: host.llm = (request) => 'text'" };
      const r = await memory.llm(a as LlmRequest);
      return { stop: 'end', usage: { inputTokens: 0, outputTokens: 0 }, ...(typeof r === 'string' ? { text: r } : r) };
    },
    'run.sleep': () => null,
    'run.approve': (a: any) => (memory.approve ? memory.approve(a.role, a.data) : { ok: true }),
    'llm.embed': (a: any) => ({ vectors: a.input.map(vector), usage: { inputTokens: 0, outputTokens: 0 } }),
  });
  const host = {
    async call(op: string, args: object) {
      const f = ops[op];
      if (!f) throw { code: 'unimplemented', message: `the host in memory does not know ${op}` };
      return structuredClone((await f(JSON.parse(JSON.stringify(args)))) ?? null);
    },
    log: (level: any, text: string, fields?: object) => void logs.push(fields ? { level, text, fields } : { level, text }),
    use: (cls: any) => new cls(),
    stop: () => stopping.signal,
  };
  let stopping = new AbortController();
  (globalThis as any)[Symbol.for('aria.host')] = host;
  const memory: MemoryHost = {
    logs,
    dump: (ns) => Object.fromEntries([...kv.space(ns)].map(([k, c]) => [k, structuredClone(c.value)])),
    onFetch: (answer) => { servers.answer = answer; },
    reset: () => { logs.length = 0; for (const s of all) s.reset(); delete memory.llm; stopping = new AbortController(); },
    stop: (why = 'the run was cancelled') => stopping.abort(Object.assign(new Error(why), { name: 'AriaError', code: 'cancelled', retryable: false })),
  };
  return memory;
}

// There is one execution here, and a lock does not keep it apart from itself.
function locks(): Ops {
  let last = 0;
  return {
    'lock.take': () => ({ id: ++last, fence: String(last) }),
    'lock.drop': () => ({ dropped: true }),
  };
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
