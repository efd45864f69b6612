// Blobs in memory, with the answers of quilt/blob.
import { byBytes, conflict, invalid, type Ops } from './common';

interface Blob { data: Buffer; sha256: string; type?: string; at: number; until: number }

export class MemoryBlob {
  private readonly stores = new Map<string, Map<string, Blob>>();
  private readonly uploads = new Map<number, Buffer[]>();
  private last = 0;

  reset(): void {
    this.stores.clear();
    this.uploads.clear();
  }

  readonly ops: Ops = {
    'blob.put': (a) => this.put(a, Buffer.from(a.data, 'base64')),
    'blob.begin': () => {
      this.uploads.set(++this.last, []);
      return { id: this.last };
    },
    'blob.chunk': (a) => {
      const parts = this.upload(a.id);
      const size = parts.reduce((n, p) => n + p.length, 0);
      if (a.at !== size) throw conflict(`a piece for byte ${a.at}, where ${size} is next`);
      const data = Buffer.from(a.data, 'base64');
      parts.push(data);
      return { size: size + data.length };
    },
    'blob.commit': (a) => {
      const parts = this.upload(a.id);
      this.uploads.delete(a.id);
      return this.put(a, Buffer.concat(parts));
    },
    'blob.end': (a) => void this.uploads.delete(a.id),
    'blob.read': (a) => {
      const b = this.of(a).get(name(a));
      if (!b) return null;
      if (a.sha256 && a.sha256 !== b.sha256) throw conflict(`"${a.name}" was written anew while it was read`);
      return { ...this.stat(a.name, b), data: b.data.subarray(a.at, a.at + a.length).toString('base64') };
    },
    'blob.stat': (a) => {
      const b = this.of(a).get(name(a));
      return b ? this.stat(a.name, b) : null;
    },
    'blob.list': (a) => {
      const all = [...this.of(a)].filter(([n]) => n.startsWith(a.prefix ?? '') && (!a.after || byBytes(n, a.after) > 0)).sort(([x], [y]) => byBytes(x, y));
      const limit = a.limit || 100;
      return { items: all.slice(0, limit).map(([n, b]) => this.stat(n, b)), next: all.length > limit ? all[limit - 1]![0] : '' };
    },
    'blob.delete': (a) => ({ deleted: this.of(a).delete(name(a)) }),
  };

  private upload(id: number): Buffer[] {
    const u = this.uploads.get(id);
    if (!u) throw conflict('the blob is not under way any more');
    return u;
  }

  private of(a: any): Map<string, Blob> {
    let s = this.stores.get(a.ns);
    if (!s) this.stores.set(a.ns, (s = new Map()));
    for (const [n, b] of s) if (b.until <= Date.now()) s.delete(n);
    return s;
  }

  private put(a: any, data: Buffer): object {
    const sha256 = new (globalThis as any).Bun.CryptoHasher('sha256').update(data).digest('hex');
    const b = { data, sha256, type: a.type, at: Date.now(), until: a.ttlMs ? Date.now() + a.ttlMs : Infinity };
    this.of(a).set(name(a), b);
    return this.stat(a.name, b);
  }

  private stat(n: string, b: Blob): object {
    return { name: n, size: b.data.length, sha256: b.sha256, type: b.type || undefined, atMs: b.at };
  }
}

function name(a: any): string {
  const n = new TextEncoder().encode(a.name ?? '').length;
  if (n < 1 || n > 512 || /[\0\ufffd]/.test(a.name) || !a.name.isWellFormed()) throw invalid(`the name of a blob is 1 to 512 bytes of Unicode text; this one has ${n} bytes`);
  return a.name;
}
