// The kv client. One operation is one question to the host; nothing is cached.
import type * as api from '../dist/index';
import { AriaError, Conflict } from './errors';
import { call } from './host';
import { strictJSON } from './json';
import { millis } from './time';

const page = 200; // entries per question of a list
const most = 10_000; // entries that entries() collects
const tries = 16; // rounds of update()

class Client<T> implements api.KvWrite<T> {
  constructor(private readonly ns: string) {}

  async get(key: string): Promise<T | undefined> {
    return (await call('kv.get', { ns: this.ns, key }))?.value;
  }

  async getEntry(key: string): Promise<api.KvEntry<T> | undefined> {
    const e = await call('kv.get', { ns: this.ns, key });
    return e ? { key, value: e.value, version: e.version } : undefined;
  }

  async *list(opts: api.KvListOpts = {}): AsyncGenerator<api.KvEntry<T>> {
    let left = opts.limit ?? Infinity;
    let after: string | undefined;
    while (left > 0) {
      const got = await call('kv.list', { ns: this.ns, prefix: opts.prefix ?? '', after, limit: Math.min(left, page) });
      yield* got.items;
      left -= got.items.length;
      after = got.next || undefined;
      if (after === undefined) return;
    }
  }

  async entries(prefix?: string): Promise<api.KvEntry<T>[]> {
    const all: api.KvEntry<T>[] = [];
    for await (const e of this.list({ prefix, limit: most + 1 })) all.push(e);
    if (all.length > most) {
      throw new AriaError('exhausted', `kv "${this.ns}" has more than ${most} entries under "${prefix ?? ''}"`, {
        hint: 'go through list() instead, which fetches page by page',
      });
    }
    return all;
  }

  async set(key: string, value: T, opts: { ttl?: api.Dur } = {}): Promise<number> {
    const ttlMs = opts.ttl === undefined ? undefined : millis(opts.ttl);
    return (await call('kv.put', { ns: this.ns, key, value: storable(key, value), ttlMs })).version;
  }

  async cas(key: string, version: number, value: T): Promise<number> {
    return (await call('kv.cas', { ns: this.ns, key, version, value: storable(key, value) })).version;
  }

  async delete(key: string): Promise<boolean> {
    return (await call('kv.delete', { ns: this.ns, key })).deleted;
  }

  async update<R extends T | undefined>(key: string, change: (value: T | undefined) => R | Promise<R>): Promise<R> {
    for (let i = 0; i < tries; i++) {
      const old = await this.getEntry(key);
      const value = await change(old?.value);
      if (await this.replace(key, old?.version ?? 0, value)) return value;
    }
    throw new Conflict(`kv "${this.ns}": ${tries} writers came between the read and the write of "${key}"`, {
      hint: 'ask for the mode "rw", which keeps other writers out while the unit runs',
    });
  }

  // False if somebody else wrote in between.
  private async replace(key: string, version: number, value: T | undefined): Promise<boolean> {
    if (value === undefined && version === 0) return true;
    try {
      if (value === undefined) await call('kv.cas', { ns: this.ns, key, version, value: null, delete: true });
      else await this.cas(key, version, value);
      return true;
    } catch (e) {
      if (e instanceof Conflict) return false;
      throw e;
    }
  }
}

// A handle has only the methods of its mode, so that code which casts the type
// away reads a plain sentence instead of the broker's refusal.
class Reader<T> implements api.KvRead<T> {
  readonly get; readonly getEntry; readonly list; readonly entries;
  constructor(c: Client<T>) {
    this.get = c.get.bind(c);
    this.getEntry = c.getEntry.bind(c);
    this.list = c.list.bind(c);
    this.entries = c.entries.bind(c);
  }
}

export const kv: typeof api.kv = ((ns: string, mode: api.KvMode = 'r') => {
  const client = new Client(ns);
  return mode === 'r' || mode === 's' ? new Reader(client) : client;
}) as any;

function storable(key: string, value: unknown): unknown {
  try {
    return strictJSON(value, `value of "${key}"`);
  } catch (e) {
    throw new AriaError('invalid', (e as Error).message, {
      hint: 'store plain data: date.toISOString(), [...set], Object.fromEntries(map); delete() removes a key',
    });
  }
}

