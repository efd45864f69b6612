// The queue client.
import type * as api from '../dist/index';
import { AriaError } from './errors';
import { call } from './host';
import { storable } from './kvcheck';
import { millis } from './time';

const poll = 20_000; // ms that one question waits at most
const visible = 30_000;

class Item<T> implements api.QueueItem<T> {
  readonly id: number;
  readonly body: T;
  readonly attempt: number;

  constructor(private readonly ns: string, from: any) {
    this.id = from.id;
    this.body = from.body;
    this.attempt = from.claim;
  }

  async ack(): Promise<void> {
    await this.ask('queue.ack');
  }

  async nack(opts: { delay?: api.Dur; error?: string } = {}): Promise<boolean> {
    return (await this.ask('queue.nack', { delayMs: opts.delay && millis(opts.delay, 0), error: opts.error })).dead;
  }

  async extend(visibility: api.Dur): Promise<void> {
    await this.more(millis(visibility));
  }

  async more(visibilityMs: number): Promise<void> {
    await this.ask('queue.extend', { visibilityMs });
  }

  private ask(op: string, more: object = {}): Promise<any> {
    return call(op, { ns: this.ns, id: this.id, claim: this.attempt, ...more });
  }
}

class Client<T> implements api.QueueWrite<T> {
  constructor(private readonly ns: string) {}

  async push(body: T, opts: api.QueuePushOpts = {}): Promise<number> {
    return (await this.send([body], opts))[0]!;
  }

  async pushAll(bodies: readonly T[], opts: Omit<api.QueuePushOpts, 'once'> = {}): Promise<number[]> {
    return bodies.length === 0 ? [] : this.send(bodies, opts);
  }

  async claim(opts?: api.QueueClaimOpts): Promise<api.QueueItem<T> | undefined> {
    return (await this.take(1, opts))[0];
  }

  async claimMany(max: number, opts?: api.QueueClaimOpts): Promise<api.QueueItem<T>[]> {
    return this.take(max, opts);
  }

  async work(handle: (body: T, item: api.QueueItem<T>) => Promise<void> | void, opts: api.QueueClaimOpts = {}): Promise<number> {
    const visibilityMs = opts.visibility ? millis(opts.visibility) : visible;
    let done = 0;
    for (;;) {
      const [item] = await this.take(1, opts);
      if (!item) return done;
      const beat = setInterval(() => void item.more(visibilityMs).catch(() => {}), visibilityMs / 3);
      try {
        await handle(item.body, item);
      } catch (e) {
        clearInterval(beat);
        await item.nack({ error: e instanceof Error ? `${e.name}: ${e.message}` : String(e) });
        continue;
      } finally {
        clearInterval(beat);
      }
      await item.ack();
      done++;
    }
  }

  async stats(): Promise<api.QueueStats> {
    return call('queue.stats', { ns: this.ns });
  }

  async *dead(): AsyncGenerator<api.QueueDead<T>> {
    for (let after = 0; ; ) {
      const { items } = await call('queue.dead', { ns: this.ns, after, limit: 100 });
      if (items.length === 0) return;
      for (const { pushedMs, ...d } of items) yield { ...d, pushedAt: new Date(pushedMs) };
      after = items.at(-1).id;
    }
  }

  async redrive(ids?: readonly number[]): Promise<number> {
    return (await call('queue.redrive', { ns: this.ns, ids })).moved;
  }

  async discard(ids?: readonly number[]): Promise<number> {
    return (await call('queue.discard', { ns: this.ns, ids })).removed;
  }

  private async send(bodies: readonly T[], opts: api.QueuePushOpts): Promise<number[]> {
    const items = bodies.map((body) => ({
      body: storable('item', body), delayMs: opts.delay && millis(opts.delay, 0), once: opts.once, attempts: opts.attempts,
    }));
    return (await call('queue.push', { ns: this.ns, items })).items.map((p: any) => p.id);
  }

  private async take(max: number, opts: api.QueueClaimOpts = {}): Promise<Item<T>[]> {
    if (!(Number.isInteger(max) && max > 0)) throw new AriaError('invalid', `${max} is not a number of items`);
    const visibilityMs = opts.visibility && millis(opts.visibility);
    for (let left = opts.wait ? millis(opts.wait, 0) : 0; ; left -= poll) {
      const got = await call('queue.claim', { ns: this.ns, max, visibilityMs, waitMs: Math.min(left, poll) });
      if (got.items.length > 0 || left <= poll) return got.items.map((i: any) => new Item<T>(this.ns, i));
    }
  }
}

class Reader<T> implements api.QueueRead<T> {
  readonly stats; readonly dead;
  constructor(c: Client<T>) {
    this.stats = c.stats.bind(c);
    this.dead = c.dead.bind(c);
  }
}

export const queue: typeof api.queue = ((ns: string, mode: api.QueueMode = 'r') => {
  const c = new Client(ns);
  return mode === 'r' || mode === 's' ? new Reader(c) : c;
}) as any;
