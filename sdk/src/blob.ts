// The blob client: small content goes in one question, large in pieces.
import type * as api from '../dist/index';
import { base64, join, piece, pieces, unbase64, whole } from './bytes';
import { AriaError } from './errors';
import { call } from './host';
import { millis } from './time';

class Client implements api.BlobWrite {
  constructor(private readonly ns: string) {}

  async put(name: string, content: api.Bytes, opts: { type?: string; ttl?: api.Dur } = {}): Promise<api.BlobStat> {
    const about = { ns: this.ns, name, type: opts.type ?? (content instanceof Blob ? content.type : undefined), ttlMs: opts.ttl && millis(opts.ttl) };
    const all = await whole(content);
    if (all && all.length <= piece) return stat(await call('blob.put', { ...about, data: base64(all) }));
    const { id } = await call('blob.begin', { ns: this.ns });
    try {
      let at = 0;
      for await (const p of pieces(content)) at = (await call('blob.chunk', { id, at, data: base64(p) })).size;
      return stat(await call('blob.commit', { ...about, id }));
    } catch (e) {
      await call('blob.end', { id });
      throw e;
    }
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    for await (const p of this.read(name, 0)) parts.push(p);
    return parts.length === 0 ? undefined : join(parts);
  }

  async text(name: string): Promise<string | undefined> {
    const all = await this.get(name);
    return all && new TextDecoder().decode(all);
  }

  async *stream(name: string, opts: { at?: number } = {}): AsyncGenerator<Uint8Array> {
    let there = false;
    for await (const p of this.read(name, opts.at ?? 0)) {
      there = true;
      if (p.length > 0) yield p;
    }
    if (!there) throw new AriaError('not_found', `blob "${this.ns}" has no "${name}"`, { hint: 'list() shows what there is' });
  }

  async stat(name: string): Promise<api.BlobStat | undefined> {
    const s = await call('blob.stat', { ns: this.ns, name });
    return s ? stat(s) : undefined;
  }

  async *list(prefix = ''): AsyncGenerator<api.BlobStat> {
    for (let after = ''; ; ) {
      const page = await call('blob.list', { ns: this.ns, name: 'any', prefix, after, limit: 200 });
      for (const s of page.items) yield stat(s);
      if (!(after = page.next)) return;
    }
  }

  async delete(name: string): Promise<boolean> {
    return (await call('blob.delete', { ns: this.ns, name })).deleted;
  }

  // At least one piece, which may be empty, unless there is no such blob.
  private async *read(name: string, at: number): AsyncGenerator<Uint8Array> {
    let sha256: string | undefined;
    for (;;) {
      const got = await call('blob.read', { ns: this.ns, name, at, length: piece, sha256 });
      if (!got) return;
      const data = unbase64(got.data ?? '');
      yield data;
      sha256 = got.sha256;
      at += data.length;
      if (at >= got.size) return;
    }
  }
}

function stat({ atMs, ...s }: any): api.BlobStat {
  return { ...s, writtenAt: new Date(atMs) };
}

class Reader implements api.BlobRead {
  readonly get; readonly text; readonly stream; readonly stat; readonly list;
  constructor(c: Client) {
    this.get = c.get.bind(c);
    this.text = c.text.bind(c);
    this.stream = c.stream.bind(c);
    this.stat = c.stat.bind(c);
    this.list = c.list.bind(c);
  }
}

export const blob: typeof api.blob = ((ns: string, mode: api.BlobMode = 'r') => {
  const c = new Client(ns);
  return mode === 'r' || mode === 's' ? new Reader(c) : c;
}) as any;
