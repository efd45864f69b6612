import { blob, fs, kv, lock, log, queue, TerminalError, tool, vector } from '@aria/sdk';

/** A thing on the shelf. */
export interface Item {
  /** What the label shows, such as tea-01. */
  sku: string;
  /** In a customer's words. */
  about: string;
  /** Cents for one. @minimum 1 */
  price: number;
}

/** What has to leave the house. */
export interface Shipment {
  order: string;
  sku: string;
  count: number;
}

/** The shelves. Its tokens are locked only where they are used: nobody waits for a unit that thinks. */
export class Stock {
  private readonly items = kv<Item, 'rw'>('warehouse/items', 'rw', { hold: 'tx' });
  private readonly counts = kv<number, 'rw'>('warehouse/counts', 'rw', { hold: 'tx' });
  private readonly shipments = queue<Shipment, 'a'>('warehouse/shipments', 'a');
  private readonly catalogue = vector<{ price: number }, 'a'>('warehouse/catalogue', 'a');

  /** Put things on the shelf.
   *  @param count how many @minimum 1 */
  @tool()
  async receive(item: Item, count: number): Promise<number> {
    const total = await kv.tx([this.items, this.counts], async (items, counts) => {
      const now = ((await counts.get(item.sku)) ?? 0) + count;
      items.set(item.sku, item);
      counts.set(item.sku, now);
      return now;
    });
    await this.catalogue.upsert({ id: item.sku, text: item.about, meta: { price: item.price } });
    return total;
  }

  /** Sell from the shelf: the count goes down and a shipment is on its way, once per order.
   *  @param order the number of the order
   *  @param count how many @minimum 1 */
  @tool()
  async sell(order: string, sku: string, count: number): Promise<{ left: number }> {
    const left = await this.counts.tx(async (counts) => {
      const now = (await counts.get(sku)) ?? 0;
      if (now < count) throw new TerminalError(`there are ${now} of ${sku}, not ${count}`, { code: 'conflict' });
      counts.set(sku, now - count);
      return now - count;
    });
    await this.shipments.push({ order, sku, count }, { once: order });
    return { left };
  }

  /** Find things by what they are for.
   *  @param wish in a customer's words
   *  @param below only what costs less, in cents */
  @tool({ idempotent: true })
  async find(wish: string, below?: number): Promise<{ sku: string; about: string }[]> {
    const hits = await this.catalogue.query({ text: wish, k: 3, where: below ? { price: { lt: below } } : undefined });
    return hits.map((h) => ({ sku: h.id, about: h.text ?? '' }));
  }
}

/** The dock: ships what waits, one dock at a time, and keeps the papers. */
export class Dock {
  private readonly shipments = queue<Shipment, 'a'>('warehouse/shipments', 'a');
  private readonly gate = lock('warehouse/gate', 'rw', { hold: 'tx' });
  private readonly labels = fs('/warehouse/labels', 'a');
  private readonly reports = blob('warehouse/reports', 'a');

  /** Ship all that waits. What cannot be shipped goes back and is tried again. */
  @tool()
  async ship(): Promise<{ shipped: number }> {
    return this.gate.hold(async () => {
      const shipped = await this.shipments.work(async (s, item) => {
        await this.labels.write(`${s.sku}/${s.order}.txt`, `${s.count} x ${s.sku} for ${s.order}\n`);
        log.info('shipped', { order: s.order, attempt: item.attempt });
      });
      return { shipped };
    });
  }

  /** Put all labels of a thing into one report. */
  @tool()
  async report(sku: string): Promise<{ name: string; bytes: number; sha256: string }> {
    const labels: string[] = [];
    for (const file of await this.labels.list(sku)) labels.push((await this.labels.readText(`${sku}/${file.name}`)) ?? '');
    const saved = await this.reports.put(`${sku}.txt`, labels.join(''), { type: 'text/plain', ttl: '7d' });
    return { name: saved.name, bytes: saved.size, sha256: saved.sha256 };
  }
}
