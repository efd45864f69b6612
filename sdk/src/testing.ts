// A host in memory, with the answers the broker would give. It speaks the same
// operations as docs/spec/harness.md, and shares no code with the SDK proper so
// that both can be loaded beside each other.
import type { MemoryHost } from '../dist/testing';
import type { Ops } from './memory/common';
import { MemoryBlob } from './memory/blob';
import { MemoryFs } from './memory/fs';
import { MemoryKV } from './memory/kv';
import { MemoryQueue } from './memory/queue';
import { MemoryVector } from './memory/vector';

export function memoryHost(): MemoryHost {
  const logs: MemoryHost['logs'] = [];
  const kv = new MemoryKV();
  const queues = new MemoryQueue();
  const vectors = new MemoryVector();
  const all = [kv, vectors, queues, new MemoryBlob(), new MemoryFs()];
  const ops: Ops = Object.assign(locks(), ...all.map((s) => s.ops));
  const host = {
    async call(op: string, args: object) {
      const f = ops[op];
      if (!f) throw { code: 'unimplemented', message: `the host in memory does not know ${op}` };
      return structuredClone((await f(JSON.parse(JSON.stringify(args)))) ?? null);
    },
    log: (level: any, text: string, fields?: object) => void logs.push(fields ? { level, text, fields } : { level, text }),
    use: (cls: any) => new cls(),
  };
  (globalThis as any)[Symbol.for('aria.host')] = host;
  return {
    logs,
    dump: (ns) => Object.fromEntries([...kv.space(ns)].map(([k, c]) => [k, structuredClone(c.value)])),
    reset: () => { logs.length = 0; for (const s of all) s.reset(); },
  };
}

// There is one execution here, and a lock does not keep it apart from itself.
function locks(): Ops {
  let last = 0;
  return {
    'lock.take': () => ({ id: ++last, fence: String(last) }),
    'lock.drop': () => ({ dropped: true }),
  };
}
