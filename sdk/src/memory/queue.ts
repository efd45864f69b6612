// Queues in memory, with the answers of quilt/queue.
import { conflict, invalid, type Ops } from './common';

interface Item { id: number; body: unknown; ready: number; claims: number; most: number; pushed: number; state: 0 | 1 | 2; error: string }

export class MemoryQueue {
  private readonly queues = new Map<string, Map<number, Item>>();
  private readonly once = new Map<string, number>();
  private last = 0;

  reset(): void {
    this.queues.clear();
    this.once.clear();
  }

  readonly ops: Ops = {
    'queue.push': (a) => {
      if (!(a.items.length >= 1 && a.items.length <= 500)) throw invalid(`${a.items.length} items in one push; 1 to 500 are allowed`);
      for (const i of a.items) {
        if (JSON.stringify(i.body).length > 256 << 10) throw invalid('an item is too large');
        if (i.attempts !== undefined && !(i.attempts >= 0 && i.attempts <= 1000)) throw invalid(`attempts ${i.attempts} is not 1 to 1000`);
      }
      return { items: a.items.map((i: any) => this.push(a.ns, i)) };
    },
    'queue.claim': async (a) => {
      for (const until = Date.now() + (a.waitMs ?? 0); ; ) {
        const items = this.take(a);
        if (items.length > 0 || Date.now() >= until) return { items };
        await new Promise((go) => setTimeout(go, 5));
      }
    },
    'queue.ack': (a) => {
      this.mine(a);
      this.of(a.ns).delete(a.id);
      return { done: true };
    },
    'queue.nack': (a) => {
      const i = this.mine(a);
      i.state = i.claims >= i.most ? 2 : 0;
      i.ready = Date.now() + (a.delayMs ?? Math.min(1000 * 2 ** Math.min(i.claims - 1, 12), 3600_000));
      i.error = a.error ?? '';
      return { dead: i.state === 2 };
    },
    'queue.extend': (a) => {
      const i = this.mine(a);
      i.ready = Date.now() + (a.visibilityMs ?? 30_000);
      return { extended: true };
    },
    'queue.stats': (a) => {
      const all = [...this.of(a.ns).values()];
      const now = Date.now();
      const waiting = all.filter((i) => i.state < 2 && i.ready <= now);
      return {
        waiting: waiting.length, delayed: all.filter((i) => i.state === 0 && i.ready > now).length,
        claimed: all.filter((i) => i.state === 1 && i.ready > now).length, dead: all.filter((i) => i.state === 2).length,
        oldestMs: waiting.length ? now - Math.min(...waiting.map((i) => i.pushed)) : 0,
      };
    },
    'queue.dead': (a) => ({
      items: this.dead(a).filter((i) => i.id > (a.after ?? 0)).slice(0, a.limit ?? 100)
        .map((i) => ({ id: i.id, body: i.body, attempts: i.claims, error: i.error, pushedMs: i.pushed })),
    }),
    'queue.redrive': (a) => {
      const all = this.dead(a);
      for (const i of all) Object.assign(i, { state: 0, claims: 0, error: '', ready: Date.now() });
      return { moved: all.length };
    },
    'queue.discard': (a) => ({ removed: this.dead(a).filter((i) => this.of(a.ns).delete(i.id)).length }),
  };

  private of(ns: string): Map<number, Item> {
    let q = this.queues.get(ns);
    if (!q) this.queues.set(ns, (q = new Map()));
    return q;
  }

  private dead(a: any): Item[] {
    return [...this.of(a.ns).values()].filter((i) => i.state === 2 && (!a.ids || a.ids.includes(i.id)));
  }

  private push(ns: string, i: any): { id: number; duplicate?: boolean } {
    const key = JSON.stringify([ns, i.once]);
    const known = i.once === undefined ? undefined : this.once.get(key);
    if (known !== undefined) return { id: known, duplicate: true };
    const id = ++this.last;
    if (i.once !== undefined) this.once.set(key, id);
    const now = Date.now();
    this.of(ns).set(id, { id, body: i.body, ready: now + (i.delayMs ?? 0), claims: 0, most: i.attempts || 5, pushed: now, state: 0, error: '' });
    return { id };
  }

  private take(a: any): object[] {
    const now = Date.now();
    const out: object[] = [];
    for (const i of [...this.of(a.ns).values()].filter((i) => i.state < 2 && i.ready <= now).sort((x, y) => x.ready - y.ready || x.id - y.id)) {
      if (out.length === (a.max || 1)) break;
      if (i.claims >= i.most) {
        i.state = 2;
        i.error ||= 'it was claimed and not answered for';
        continue;
      }
      i.claims++;
      i.state = 1;
      i.ready = now + (a.visibilityMs ?? 30_000);
      out.push({ id: i.id, claim: i.claims, most: i.most, body: i.body });
    }
    return out;
  }

  private mine(a: any): Item {
    const i = this.of(a.ns).get(a.id);
    if (!i || i.state === 2 || i.claims !== a.claim) throw conflict(`item ${a.id} is not this unit's any more`);
    return i;
  }
}
