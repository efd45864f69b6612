// Transactions and snapshots over kv handles. Reads go to the host, writes are
// kept back and go together with the commit, which checks what was read.
import type * as api from '../dist/index';
import { AriaError, Conflict } from './errors';
import { openedBy, type Opened } from './handle';
import { call } from './host';
import { checkKey, storable } from './kvcheck';
import { backOff, millis } from './time';

const rounds = 16;
const most = 1000; // entries of one list

type Read = { ns: string; key: string; version: number };
type Write = { ns: string; key: string; value?: unknown; ttlMs?: number; delete?: true };

interface Round { id: number; reads: Map<string, Read>; lists: object[]; writes: Map<string, Write>; over: boolean }

const place = (ns: string, key: string) => `${ns}\n${key}`;

class View<T> implements api.KvTx<T> {
  constructor(private readonly ns: string, private readonly round: Round) {}

  async get(key: string): Promise<T | undefined> {
    checkKey(key);
    const mine = this.going().writes.get(place(this.ns, key));
    if (mine) return mine.delete ? undefined : (structuredClone(mine.value) as T);
    const e = await call('kv.get', { ns: this.ns, key, tx: this.round.id });
    const id = place(this.ns, key);
    // The first reading counts: a later one may see more, and then the commit fails.
    if (!this.round.reads.has(id)) this.round.reads.set(id, { ns: this.ns, key, version: e?.version ?? 0 });
    return e?.value;
  }

  async list(prefix = ''): Promise<{ key: string; value: T }[]> {
    this.going();
    const found = new Map<string, T>();
    for (let after = ''; ; ) {
      const q = { ns: this.ns, prefix, after, limit: 200 };
      const page = await call('kv.list', { ...q, tx: this.round.id });
      this.round.lists.push({ ...q, sum: page.sum });
      for (const e of page.items) found.set(e.key, e.value);
      if (found.size > most) throw new AriaError('exhausted', `kv "${this.ns}" has more than ${most} entries under "${prefix}"`, { hint: 'a transaction lists less than that; narrow the prefix' });
      if (!(after = page.next)) break;
    }
    for (const w of this.round.writes.values()) {
      if (w.ns !== this.ns || !w.key.startsWith(prefix)) continue;
      if (w.delete) found.delete(w.key);
      else found.set(w.key, structuredClone(w.value) as T);
    }
    return [...found].map(([key, value]) => ({ key, value })).sort((a, b) => byBytes(a.key, b.key));
  }

  set(key: string, value: T, opts: { ttl?: api.Dur } = {}): void {
    checkKey(key);
    const ttlMs = opts.ttl === undefined ? undefined : millis(opts.ttl);
    this.going().writes.set(place(this.ns, key), { ns: this.ns, key, value: structuredClone(storable(key, value)), ttlMs });
  }

  delete(key: string): void {
    checkKey(key);
    this.going().writes.set(place(this.ns, key), { ns: this.ns, key, delete: true });
  }

  private going(): Round {
    if (this.round.over) throw new AriaError('invalid', 'this transaction is over', { hint: 'use what tx() hands out only inside of its function, and await everything there' });
    return this.round;
  }
}

function known(h: object): Opened {
  const o = openedBy(h);
  if (!o) throw new AriaError('invalid', 'a transaction is over kv handles', { hint: 'pass what kv() returned' });
  return o;
}

const encoder = new TextEncoder();

/** The order of kv keys: that of their UTF-8 bytes, which is not that of strings. */
export function byBytes(a: string, b: string): number {
  const [x, y] = [encoder.encode(a), encoder.encode(b)];
  for (let i = 0; i < x.length && i < y.length; i++) if (x[i] !== y[i]) return x[i]! - y[i]!;
  return x.length - y.length;
}

/** Runs work over views of the handles until a commit goes through. */
export async function transact<R>(handles: readonly object[], work: (...views: any[]) => Promise<R> | R): Promise<R> {
  const spaces = handles.map(known);
  for (let n = 1; ; n++) {
    const { id } = await call('kv.begin', {
      ns: spaces.filter((s) => s.writes).map((s) => s.ns), reads: spaces.filter((s) => !s.writes).map((s) => s.ns),
    });
    const round: Round = { id, reads: new Map(), lists: [], writes: new Map(), over: false };
    const { done, value } = await attempt(round, spaces, work);
    if (done) return value as R;
    if (n === rounds) {
      throw new Conflict(`${rounds} writers came between the reads and the commit of a transaction`, {
        hint: 'ask for the mode "rw", or for {hold: "tx"}, which keep other writers out',
      });
    }
    await backOff(n);
  }
}

async function attempt<R>(round: Round, spaces: Opened[], work: (...views: any[]) => Promise<R> | R): Promise<{ done: boolean; value?: R }> {
  let value: R;
  try {
    value = await work(...spaces.map((s) => new View(s.ns, round)));
  } catch (e) {
    round.over = true;
    await call('kv.end', { id: round.id });
    throw e;
  }
  round.over = true;
  if (round.writes.size === 0 && round.reads.size + round.lists.length === 0) {
    await call('kv.end', { id: round.id });
    return { done: true, value };
  }
  try {
    await call('kv.commit', { id: round.id, reads: [...round.reads.values()], lists: round.lists, writes: [...round.writes.values()] });
  } catch (e) {
    if (e instanceof Conflict && !e.message.startsWith('stale lease')) return { done: false };
    throw e;
  }
  return { done: true, value };
}

/** Runs work over readers of one moment. */
export async function freeze<R>(handles: readonly object[], reader: (ns: string, snap: number) => object, work: (...readers: any[]) => Promise<R> | R): Promise<R> {
  const spaces = handles.map(known);
  const { id } = await call('kv.begin', { ns: spaces.map((s) => s.ns), snapshot: true });
  try {
    return await work(...spaces.map((s) => reader(s.ns, id)));
  } finally {
    await call('kv.end', { id });
  }
}
