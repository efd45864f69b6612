// The vector client. Vectors cross as float32 in base64.
import type * as api from '../dist/index';
import { base64, unbase64 } from './bytes';
import { AriaError } from './errors';
import { call } from './host';
import { strictJSON } from './json';

const batch = 500; // documents in one question
const room = 3 << 20; // bytes of them

type Doc = { id: string; v?: string; text?: string; meta?: unknown };

class Client<M> implements api.VectorWrite<M> {
  constructor(private readonly ns: string, private readonly opts: api.VectorOpts) {}

  async upsert(docs: api.VectorDoc<M> | readonly api.VectorDoc<M>[]): Promise<void> {
    let part: Doc[] = [];
    let size = 0;
    const flush = async () => {
      if (part.length > 0) await call('vector.upsert', { ns: this.ns, dims: this.opts.dims, items: part });
      part = [];
      size = 0;
    };
    for (const d of await this.ready(Array.isArray(docs) ? docs : [docs as api.VectorDoc<M>])) {
      const n = JSON.stringify(d).length;
      if (part.length === batch || size + n > room) await flush();
      part.push(d);
      size += n;
    }
    await flush();
  }

  async delete(ids: string | readonly string[]): Promise<number> {
    const all = typeof ids === 'string' ? [ids] : [...ids];
    let n = 0;
    for (let at = 0; at < all.length; at += batch) {
      n += (await call('vector.delete', { ns: this.ns, ids: all.slice(at, at + batch) })).deleted;
    }
    return n;
  }

  async query(q: string | api.VectorQuery<M>): Promise<api.VectorHit<M>[]> {
    const { text, vector, k, where, min } = typeof q === 'string' ? ({ text: q } as api.VectorQuery<M>) : q;
    const v = vector ?? (text !== undefined && this.opts.embed ? (await this.opts.embed([text]))[0] : undefined);
    const got = await call('vector.query', { ns: this.ns, v: v && pack(v), text: v ? undefined : text, k, where, min });
    return got.hits;
  }

  async get(id: string): Promise<{ id: string; meta: M; text?: string; vector: Float32Array } | undefined> {
    const [d] = (await call('vector.get', { ns: this.ns, ids: [id] })).items;
    if (!d) return undefined;
    const { v, ...rest } = d;
    return { ...rest, vector: new Float32Array(unbase64(v).buffer) };
  }

  async count(): Promise<number> {
    return (await call('vector.info', { ns: this.ns })).count;
  }

  private async ready(docs: readonly api.VectorDoc<M>[]): Promise<Doc[]> {
    const bare = this.opts.embed ? docs.filter((d) => !d.vector && d.text !== undefined) : [];
    const made = bare.length > 0 ? await this.opts.embed!(bare.map((d) => d.text!)) : [];
    return docs.map((d) => {
      const v = d.vector ?? made[bare.indexOf(d)];
      return { id: d.id, v: v && pack(v), text: d.text, meta: d.meta === undefined ? undefined : plain(d.id, d.meta) };
    });
  }
}

function pack(v: ArrayLike<number>): string {
  const f = Float32Array.from(v);
  if (f.length === 0) throw new AriaError('invalid', 'a vector has at least one number');
  return base64(new Uint8Array(f.buffer));
}

function plain(id: string, meta: unknown): unknown {
  try {
    return strictJSON(meta, `metadata of "${id}"`);
  } catch (e) {
    throw new AriaError('invalid', (e as Error).message, { hint: 'metadata are plain data: text, numbers, true, false, null and lists of them' });
  }
}

class Reader<M> implements api.VectorRead<M> {
  readonly query; readonly get; readonly count;
  constructor(c: Client<M>) {
    this.query = c.query.bind(c);
    this.get = c.get.bind(c);
    this.count = c.count.bind(c);
  }
}

export const vector: typeof api.vector = ((ns: string, mode: api.VectorMode = 'r', opts: api.VectorOpts = {}) => {
  const c = new Client(ns, opts);
  return mode === 'r' || mode === 's' ? new Reader(c) : c;
}) as any;
