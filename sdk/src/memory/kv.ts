// kv in memory, with the answers of quilt/kv.
import { byBytes, conflict, invalid, text, type Ops } from './common';

interface Cell { value: unknown; version: number; until: number }
interface Change { seq: number; ns: string; key: string }

const kept = 4096; // changes that a watch can go back

export class MemoryKV {
  private readonly spaces = new Map<string, Map<string, Cell>>();
  private readonly versions = new Map<string, number>(); // of every key ever written, so that none is used again
  private changes: Change[] = [];
  private base = 1; // every change after it is kept
  private seq = 1;
  private waiting: (() => void)[] = [];
  private snaps = new Map<number, Map<string, Map<string, Cell>>>();
  private last = 0;

  space(ns: string): Map<string, Cell> {
    let s = this.spaces.get(ns);
    if (!s) this.spaces.set(ns, (s = new Map()));
    for (const [k, c] of s) if (c.until <= Date.now()) s.delete(k);
    return s;
  }

  reset(): void {
    this.spaces.clear();
  }

  readonly ops: Ops = {
    'kv.get': (a) => {
      const c = this.seen(a).get(a.key);
      return c ? { value: c.value, version: c.version } : null;
    },
    'kv.list': (a) => this.list(a, this.seen(a)),
    'kv.put': (a) => this.write(a),
    'kv.cas': (a) => {
      this.expect(a);
      if (!a.delete) return this.write(a);
      this.remove(a);
      return { version: 0 };
    },
    'kv.delete': (a) => ({ deleted: this.remove(a) }),
    'kv.begin': (a) => {
      const id = ++this.last;
      if (a.snapshot) this.snaps.set(id, new Map(a.ns.map((ns: string) => [ns, new Map(this.space(ns))])));
      return { id };
    },
    'kv.end': (a) => void this.snaps.delete(a.id),
    'kv.commit': (a) => {
      for (const r of a.reads ?? []) this.expect(r);
      for (const l of a.lists ?? []) if (this.list({ ...l, tx: 1 }, this.space(l.ns)).sum !== l.sum) throw conflict(`kv:${l.ns} has changed since it was listed`);
      for (const w of a.writes ?? []) key(w.key);
      return { versions: (a.writes ?? []).map((w: any) => (w.delete ? (this.remove(w), 0) : this.write(w).version)) };
    },
    'kv.watch': (a) => this.watch(a),
  };

  private seen(a: any): Map<string, Cell> {
    if (a.key !== undefined) key(a.key);
    if (!a.snap) return this.space(a.ns);
    const s = this.snaps.get(a.snap);
    if (!s) throw conflict('the snapshot is over');
    return s.get(a.ns) ?? new Map();
  }

  private list(a: any, s: Map<string, Cell>): any {
    text('prefix', a.prefix ?? '');
    const keys = [...s.keys()].sort(byBytes).filter((k) => k.startsWith(a.prefix ?? '') && (!a.after || byBytes(k, a.after) > 0));
    const limit = a.limit || 100;
    const items = keys.slice(0, limit).map((k) => ({ key: k, value: s.get(k)!.value, version: s.get(k)!.version }));
    const next = keys.length > limit ? items.at(-1)!.key : '';
    return { items, next, sum: a.tx ? JSON.stringify([items.map((i) => [i.key, i.version]), next]) : undefined };
  }

  private expect(a: any): void {
    key(a.key);
    const has = this.space(a.ns).get(a.key)?.version ?? 0;
    if (has !== a.version) throw conflict(`kv "${a.ns}": "${a.key}" has version ${has}, not ${a.version}`);
  }

  private write(a: any): { version: number } {
    key(a.key);
    const id = JSON.stringify([a.ns, a.key]);
    const version = (this.versions.get(id) ?? 0) + 1;
    this.versions.set(id, version);
    this.space(a.ns).set(a.key, { value: a.value, version, until: a.ttlMs ? Date.now() + a.ttlMs : Infinity });
    this.tell(a.ns, a.key);
    return { version };
  }

  private remove(a: any): boolean {
    key(a.key);
    const there = this.space(a.ns).delete(a.key);
    if (there) this.tell(a.ns, a.key);
    return there;
  }

  private tell(ns: string, k: string): void {
    this.changes.push({ seq: ++this.seq, ns, key: k });
    if (this.changes.length > kept) this.base = this.changes.splice(0, kept / 2).at(-1)!.seq;
    for (const wake of this.waiting.splice(0)) wake();
  }

  private async watch(a: any): Promise<any> {
    let since = a.since ? Number(a.since) : this.seq;
    const until = Date.now() + (a.waitMs ?? 0);
    for (;;) {
      if (since < this.base || since > this.seq) return { events: [], next: String(this.seq), gap: true };
      const keys = this.changes.filter((c) => c.seq > since && c.ns === a.ns && c.key.startsWith(a.prefix ?? '')).map((c) => c.key);
      since = this.seq;
      const left = until - Date.now();
      if (keys.length || left <= 0) return { events: [...new Set(keys.reverse())].reverse().map((k) => this.event(a.ns, k)), next: String(since) };
      await new Promise<void>((wake) => {
        this.waiting.push(wake);
        (setTimeout(wake, left) as any).unref?.();
      });
    }
  }

  private event(ns: string, k: string): any {
    const c = this.space(ns).get(k);
    return c ? { key: k, value: c.value, version: c.version } : { key: k, version: 0 };
  }
}

function key(k: unknown): void {
  const n = new TextEncoder().encode(String(k)).length;
  if (n < 1 || n > 512) throw invalid(`a kv key is 1 to 512 bytes without NUL; this one has ${n} bytes`);
  text('key', String(k));
}
