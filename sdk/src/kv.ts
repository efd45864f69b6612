// The kv client. One operation is one question to the host; nothing is cached.
import type * as api from '../dist/index';
import { AriaError, Conflict } from './errors';
import { open } from './handle';
import { call } from './host';
import { checkKey, storable } from './kvcheck';
import { freeze, transact } from './kvtx';
import { backOff, millis } from './time';

const page = 200; // entries per question of a list
const most = 10_000; // entries that entries() collects
const tries = 16; // rounds of update()
const poll = 20_000; // ms that one question of a watch waits

class Client<T> implements api.KvWrite<T> {
  constructor(private readonly ns: string, private readonly snap?: number) {}

  async get(key: string): Promise<T | undefined> {
    return (await this.getEntry(key))?.value;
  }

  async getEntry(key: string): Promise<api.KvEntry<T> | undefined> {
    checkKey(key);
    const e = await call('kv.get', { ns: this.ns, key, snap: this.snap });
    return e ? { key, value: e.value, version: e.version } : undefined;
  }

  async *list(opts: api.KvListOpts = {}): AsyncGenerator<api.KvEntry<T>> {
    let left = opts.limit ?? Infinity;
    let after: string | undefined;
    checkKey(opts.prefix ?? '', 'prefix');
    while (left > 0) {
      const got = await call('kv.list', { ns: this.ns, prefix: opts.prefix ?? '', after, limit: Math.min(left, page), snap: this.snap });
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
    checkKey(key);
    return (await call('kv.put', { ns: this.ns, key, value: storable(key, value), ttlMs })).version;
  }

  async cas(key: string, version: number, value: T): Promise<number> {
    checkKey(key);
    return (await call('kv.cas', { ns: this.ns, key, version, value: storable(key, value) })).version;
  }

  async delete(key: string): Promise<boolean> {
    checkKey(key);
    return (await call('kv.delete', { ns: this.ns, key })).deleted;
  }

  async update<R extends T | undefined>(key: string, change: (value: T | undefined) => R | Promise<R>): Promise<R> {
    for (let i = 0; i < tries; i++) {
      const old = await this.getEntry(key);
      const value = await change(old?.value);
      if (await this.replace(key, old?.version ?? 0, value)) return value;
      await backOff(i);
    }
    throw new Conflict(`kv "${this.ns}": ${tries} writers came between the read and the write of "${key}"`, {
      hint: 'ask for the mode "rw", which keeps other writers out while the unit runs',
    });
  }

  async tx<R>(work: (t: api.KvTx<T>) => Promise<R> | R): Promise<R> {
    return transact([this], work);
  }

  async snapshot<R>(work: (s: api.KvSnapshot<T>) => Promise<R> | R): Promise<R> {
    return freeze([this], reader, work);
  }

  async *watch(prefix = '', opts: api.KvWatchOpts = {}): AsyncGenerator<api.KvEvent<T>> {
    checkKey(prefix, 'prefix');
    let since = opts.since;
    if (opts.initial) {
      since = (await call('kv.watch', { ns: this.ns, prefix, waitMs: 0 })).next;
      for await (const e of this.list({ prefix })) yield { type: 'set', key: e.key, value: e.value, version: e.version, at: since! };
    }
    for (;;) {
      const news = await call('kv.watch', { ns: this.ns, prefix, since, waitMs: poll });
      const before: string = since ?? news.next;
      since = news.next as string;
      if (news.gap) yield { type: 'gap', at: since };
      for (const [i, e] of news.events.entries()) {
        // Whoever goes on from the middle of an answer gets all of it again.
        yield await this.event(e, i === news.events.length - 1 ? since : before);
      }
    }
  }

  private async event(e: any, at: string): Promise<api.KvEvent<T>> {
    if (e.version > 0 && e.value === undefined) e = { ...((await call('kv.get', { ns: this.ns, key: e.key })) ?? { version: 0 }), key: e.key };
    if (e.version === 0) return { type: 'delete', key: e.key, at };
    return { type: 'set', key: e.key, value: e.value, version: e.version, at };
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
  readonly get; readonly getEntry; readonly list; readonly entries; readonly watch; readonly snapshot;
  constructor(c: Client<T>) {
    this.get = c.get.bind(c);
    this.getEntry = c.getEntry.bind(c);
    this.list = c.list.bind(c);
    this.entries = c.entries.bind(c);
    this.watch = c.watch.bind(c);
    this.snapshot = c.snapshot.bind(c);
  }
}

const make = (ns: string, mode: api.KvMode = 'r') => {
  const client = new Client(ns);
  const writes = mode !== 'r' && mode !== 's';
  open(client, { ns, writes });
  return open(writes ? client : new Reader(client), { ns, writes });
};

const reader = (ns: string, snap: number) => {
  const { get, getEntry, list, entries } = new Reader(new Client(ns, snap));
  return { get, getEntry, list, entries };
};

export const kv: typeof api.kv = Object.assign(make, {
  tx: (handles: readonly object[], work: (...views: any[]) => any) => transact(handles, work),
  snapshot: (handles: readonly object[], work: (...readers: any[]) => any) => freeze(handles, reader, work),
}) as any;
