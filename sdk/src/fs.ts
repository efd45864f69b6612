// The fs client. A file that takes several writes is written beside its place and
// moved there, so that readers see all of it or none.
import type * as api from '../dist/index';
import { base64, join, piece, pieces, unbase64, whole } from './bytes';
import { call } from './host';

let last = 0;

class Client implements api.FsWrite {
  constructor(private readonly ns: string) {}

  async read(path: string): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    for (let at = 0; ; ) {
      const got = await call('fs.read', { ns: this.ns, path, at, length: piece });
      if (!got) return undefined;
      const data = unbase64(got.data ?? '');
      parts.push(data);
      if ((at += data.length) >= got.size || data.length === 0) return join(parts);
    }
  }

  async readText(path: string): Promise<string | undefined> {
    const all = await this.read(path);
    return all && new TextDecoder().decode(all);
  }

  async readAt(path: string, at: number, length: number): Promise<Uint8Array | undefined> {
    const got = await call('fs.read', { ns: this.ns, path, at, length });
    return got ? unbase64(got.data ?? '') : undefined;
  }

  async stat(path: string): Promise<api.FsStat | undefined> {
    const s = await call('fs.stat', { ns: this.ns, path });
    return s ? stat(s) : undefined;
  }

  async list(dir = ''): Promise<api.FsStat[]> {
    const all: api.FsStat[] = [];
    for (let after = ''; ; ) {
      const page = await call('fs.list', { ns: this.ns, path: dir, after });
      all.push(...page.items.map(stat));
      if (!(after = page.next)) return all;
    }
  }

  async write(path: string, content: api.Bytes): Promise<void> {
    const all = await whole(content);
    if (all && all.length <= piece) return this.piece(path, 0, all, true);
    const aside = `${path}.${Date.now().toString(36)}${++last}.part`;
    try {
      let at = 0;
      for await (const p of pieces(content)) {
        await this.piece(aside, at, p, at === 0);
        at += p.length;
      }
      if (at === 0) return this.piece(path, 0, new Uint8Array(0), true);
      await this.rename(aside, path);
    } catch (e) {
      await this.remove(aside);
      throw e;
    }
  }

  async append(path: string, content: string | Uint8Array): Promise<void> {
    for await (const p of pieces(content)) await this.piece(path, -1, p, false);
  }

  async writeAt(path: string, at: number, content: Uint8Array): Promise<void> {
    await this.piece(path, at, content, false);
  }

  async remove(path: string, opts: { all?: boolean } = {}): Promise<number> {
    return (await call('fs.remove', { ns: this.ns, path, all: opts.all ?? false })).removed;
  }

  async rename(from: string, to: string): Promise<void> {
    await call('fs.rename', { ns: this.ns, path: from, to });
  }

  private async piece(path: string, at: number, bytes: Uint8Array, truncate: boolean): Promise<void> {
    await call('fs.write', { ns: this.ns, path, at, data: base64(bytes), truncate });
  }
}

function stat({ modifiedMs, dir, ...s }: any): api.FsStat {
  return { ...s, dir: dir ?? false, modifiedAt: new Date(modifiedMs) };
}

class Reader implements api.FsRead {
  readonly read; readonly readText; readonly readAt; readonly stat; readonly list;
  constructor(c: Client) {
    this.read = c.read.bind(c);
    this.readText = c.readText.bind(c);
    this.readAt = c.readAt.bind(c);
    this.stat = c.stat.bind(c);
    this.list = c.list.bind(c);
  }
}

export const fs: typeof api.fs = ((ns: string, mode: api.FsMode = 'r') => {
  const c = new Client(ns);
  return mode === 'r' || mode === 's' ? new Reader(c) : c;
}) as any;
