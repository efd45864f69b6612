// Volumes in memory, with the answers of quilt/fs.
import { byBytes, conflict, invalid, missing, type Ops } from './common';

interface File { data: Buffer; at: number }

export class MemoryFs {
  private readonly volumes = new Map<string, Map<string, File>>();

  reset(): void {
    this.volumes.clear();
  }

  readonly ops: Ops = {
    'fs.read': (a) => {
      const f = this.of(a).get(check(a.path));
      return f ? { data: f.data.subarray(a.at, a.at + a.length).toString('base64'), size: f.data.length, modifiedMs: f.at } : null;
    },
    'fs.write': (a) => {
      const v = this.of(a);
      const old = v.get(check(a.path));
      if (!old) free(v, a.path);
      const had = a.truncate || !old ? Buffer.alloc(0) : old.data;
      const add = Buffer.from(a.data, 'base64');
      const at = a.at < 0 ? had.length : a.at;
      const data = Buffer.alloc(Math.max(had.length, at + add.length));
      had.copy(data);
      add.copy(data, at);
      v.set(a.path, { data, at: Date.now() });
      return { size: data.length };
    },
    'fs.stat': (a) => {
      const v = this.of(a);
      const f = v.get(check(a.path));
      if (f) return { name: a.path, size: f.data.length, modifiedMs: f.at };
      const inside = [...v].find(([p]) => p.startsWith(a.path + '/'));
      return inside ? { name: a.path, dir: true, size: 0, modifiedMs: inside[1].at } : null;
    },
    'fs.list': (a) => {
      const prefix = a.path ? check(a.path) + '/' : '';
      const items = new Map<string, object>();
      for (const [p, f] of [...this.of(a)].sort(([x], [y]) => byBytes(x, y))) {
        if (!p.startsWith(prefix)) continue;
        const [name, ...deeper] = p.slice(prefix.length).split('/');
        if (!items.has(name!)) items.set(name!, deeper.length ? { name, dir: true, size: 0, modifiedMs: f.at } : { name, size: f.data.length, modifiedMs: f.at });
      }
      return { items: [...items.values()], next: '' };
    },
    'fs.remove': (a) => ({ removed: under(this.of(a), check(a.path), a.all).filter((p) => this.of(a).delete(p)).length }),
    'fs.rename': (a) => {
      const v = this.of(a);
      const from = under(v, check(a.path), true);
      check(a.to);
      if (from.length === 0) throw missing(`there is no "${a.path}"`);
      if (a.to === a.path) return { moved: from.length };
      if (a.to.startsWith(a.path + '/')) throw invalid(`"${a.path}" cannot move into itself`);
      if (v.has(a.to) && !v.has(a.path)) throw conflict(`"${a.to}" is there already`);
      free(v, a.to);
      for (const p of from) {
        v.set(a.to + p.slice(a.path.length), v.get(p)!);
        v.delete(p);
      }
      return { moved: from.length };
    },
  };

  private of(a: any): Map<string, File> {
    let v = this.volumes.get(a.ns);
    if (!v) this.volumes.set(a.ns, (v = new Map()));
    return v;
  }
}

function under(v: Map<string, File>, p: string, all: boolean): string[] {
  return [...v.keys()].filter((x) => x === p || (all && x.startsWith(p + '/')));
}

function free(v: Map<string, File>, p: string): void {
  const parts = p.split('/');
  for (let n = 1; n < parts.length; n++) {
    const above = parts.slice(0, n).join('/');
    if (v.has(above)) throw conflict(`"${above}" is a file, so there is nothing in it`);
  }
  if ([...v.keys()].some((x) => x.startsWith(p + '/'))) throw conflict(`"${p}" is a folder with files in it`);
}

function check(p: string): string {
  const bad = p.split('/').some((s) => s === '' || s === '.' || s === '..');
  if (bad || new TextEncoder().encode(p).length > 512 || /[\0\ufffd]/.test(p) || !(p as any).isWellFormed()) throw invalid(`"${p}" is not a path in a volume`);
  return p;
}
