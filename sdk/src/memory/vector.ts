// Vectors in memory. Texts are compared by the words they share: enough for a
// test of the code around it, and no measure of meaning.
import { invalid, type Ops } from './common';

interface Row { id: string; meta: any; text?: string; v: number[] }
interface Store { dims: number; own: boolean; rows: Map<string, Row> }

export class MemoryVector {
  private readonly stores = new Map<string, Store>();

  reset(): void {
    this.stores.clear();
  }

  readonly ops: Ops = {
    'vector.upsert': (a) => {
      const rows: Row[] = a.items.map((d: any) => ({ id: id(d.id), meta: d.meta ?? {}, text: d.text, v: vectorOf(d) }));
      const store = this.stores.get(a.ns) ?? { dims: rows[0]!.v.length, own: !a.items[0].v, rows: new Map() };
      for (const [i, r] of rows.entries()) {
        if (r.v.length !== store.dims || (a.dims && a.dims !== store.dims)) throw invalid(`a vector of ${r.v.length} numbers, where the store has ${a.dims || store.dims}`);
        if (store.own !== !a.items[i].v) throw invalid(`this store holds ${store.own ? 'texts' : 'vectors that were given'}, and this is not one`);
      }
      this.stores.set(a.ns, store);
      for (const r of rows) store.rows.set(r.id, r);
      return { stored: rows.length };
    },
    'vector.delete': (a) => ({ deleted: a.ids.filter((x: string) => this.stores.get(a.ns)?.rows.delete(x)).length }),
    'vector.get': (a) => ({
      items: a.ids.map((x: string) => this.stores.get(a.ns)?.rows.get(x)).filter(Boolean).map((r: Row) => ({ ...r, v: Buffer.from(Float32Array.from(r.v).buffer).toString('base64') })),
    }),
    'vector.info': (a) => ({ count: this.stores.get(a.ns)?.rows.size ?? 0 }),
    'vector.query': (a) => {
      const test = where(a.where ?? {});
      const k = a.k ?? 10;
      if (!(k >= 1 && k <= 200)) throw invalid(`k is ${k}; it may be 1 to 200`);
      const store = this.stores.get(a.ns);
      if (!store) return { hits: [] };
      const q = vectorOf(a);
      if (q.length !== store.dims) throw invalid(`a vector of ${q.length} numbers, where the store has ${store.dims}`);
      const hits = [...store.rows.values()].filter((r) => test(r.meta))
        .map((r) => ({ id: r.id, score: r.v.reduce((s, x, i) => s + x * q[i]!, 0), meta: r.meta, text: r.text }))
        .filter((h) => h.score >= (a.min ?? 0)).sort((x, y) => y.score - x.score);
      return { hits: hits.slice(0, k) };
    },
  };
}

function id(s: string): string {
  if (typeof s !== 'string' || s.length < 1 || new TextEncoder().encode(s).length > 256) throw invalid('the id of a document is 1 to 256 bytes of Unicode text');
  return s;
}

function vectorOf(d: { v?: string; text?: string }): number[] {
  const v = d.v ? [...new Float32Array(new Uint8Array(Buffer.from(d.v, 'base64')).buffer)] : words(d.text ?? '');
  const n = Math.hypot(...v);
  if (!(n > 0 && n < Infinity)) throw invalid(d.v ? 'the vector is all zero, or not all of it are numbers' : 'a document or question needs a vector or a text');
  return v.map((x) => x / n);
}

// One of 512 places for each word.
function words(text: string): number[] {
  const v = new Array(512).fill(0);
  for (const w of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    let h = 7;
    for (const c of w) h = (h * 31 + c.codePointAt(0)!) % 65521;
    v[h % 512]++;
  }
  return v;
}

type Test = (meta: any) => boolean;

function where(w: any): Test {
  if (w === null || typeof w !== 'object' || Array.isArray(w)) throw invalid('where: a condition is an object');
  const tests = Object.entries<any>(w).map(([name, v]): Test => {
    if (name === '$and') return all(v.map(where));
    if (name === '$or') { const subs: Test[] = v.map(where); return (m) => subs.some((t) => t(m)); }
    if (name === '$not') { const sub = where(v); return (m) => !sub(m); }
    if (name.startsWith('$')) throw invalid(`where: unknown word "${name}"`);
    if (Array.isArray(v)) return field(name, 'in', v);
    if (v === null || typeof v !== 'object') return field(name, 'eq', v);
    return all(Object.entries(v).map(([op, x]) => field(name, op, x)));
  });
  return all(tests);
}

const all = (tests: Test[]): Test => (m) => tests.every((t) => t(m));

function field(name: string, op: string, v: any): Test {
  const any = (is: (x: any) => boolean): Test => (m) => (Array.isArray(m[name]) ? m[name].some(is) : is(m[name]));
  switch (op) {
    case 'eq': return any((x) => x === v);
    case 'ne': { const is = any((x) => x === v); return (m) => !is(m); }
    case 'in': return any((x) => v.includes(x));
    case 'nin': { const is = any((x) => v.includes(x)); return (m) => !is(m); }
    case 'exists': return (m) => (m[name] !== undefined) === v;
    case 'gt': return any((x) => typeof x === typeof v && x > v);
    case 'gte': return any((x) => typeof x === typeof v && x >= v);
    case 'lt': return any((x) => typeof x === typeof v && x < v);
    case 'lte': return any((x) => typeof x === typeof v && x <= v);
  }
  throw invalid(`where: ${name} has the unknown word "${op}"`);
}
