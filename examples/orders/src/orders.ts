import { kv, log, TerminalError, tool } from '@aria/sdk';

/** An order of the shop. */
export interface Order {
  /** What the receipt shows, such as A-17. */
  id: string;
  /** Who ordered. */
  buyer: string;
  /** Total in cents. @minimum 0 */
  total: number;
  status: 'open' | 'paid' | 'refunded';
}

/** What came back to the buyer. */
export interface Refund {
  id: string;
  /** Cents paid back. */
  refunded: number;
  reason: string;
}

/** The orders of the shop. */
export class Orders {
  // The handle is the permission: these tools may use kv:orders:rw and nothing else.
  private readonly orders = kv<Order, 'rw'>('orders', 'rw');

  /** Look up one order.
   *  @param id the number on the receipt */
  @tool({ idempotent: true })
  async get(id: string): Promise<Order | null> {
    return (await this.orders.get(id)) ?? null;
  }

  /** Take a new order.
   *  @param id the number on the receipt
   *  @param buyer who orders
   *  @param total the price in cents @minimum 1 */
  @tool()
  async add(id: string, buyer: string, total: number): Promise<Order> {
    const order: Order = { id, buyer, total, status: 'open' };
    await this.orders.update(id, (old) => {
      if (old) throw new TerminalError(`order ${id} exists already`, { code: 'conflict' });
      return order;
    });
    log.info('order taken', { id, total });
    return order;
  }

  /** Mark an open order as paid.
   *  @param id the number on the receipt */
  @tool()
  async pay(id: string): Promise<Order> {
    return this.change(id, (order) => {
      if (order.status !== 'open') throw new TerminalError(`order ${id} is ${order.status}, so it cannot be paid`);
      return { ...order, status: 'paid' };
    });
  }

  /** Pay the whole price of a paid order back to the buyer.
   *  @param id the number on the receipt
   *  @param reason why the buyer gets the money back */
  @tool({ timeout: '20s' })
  async refund(id: string, reason = 'as requested'): Promise<Refund> {
    const order = await this.change(id, (o) => {
      if (o.status !== 'paid') {
        throw new TerminalError(`order ${id} is ${o.status}, so there is nothing to pay back`, { hint: 'only a paid order can be refunded' });
      }
      return { ...o, status: 'refunded' };
    });
    log.info('order refunded', { id, reason });
    return { id, refunded: order.total, reason };
  }

  /** List orders in the order of their numbers.
   *  @param status only orders in this state
   *  @param limit at most so many @minimum 1 @maximum 100 */
  @tool({ idempotent: true })
  async list(status?: Order['status'], limit = 20): Promise<Order[]> {
    const found: Order[] = [];
    for await (const { value } of this.orders.list()) {
      if (status && value.status !== status) continue;
      found.push(value);
      if (found.length === limit) break;
    }
    return found;
  }

  /** Add up what paid orders are worth. */
  @tool({ idempotent: true })
  async total(): Promise<{ orders: number; cents: number }> {
    const sum = { orders: 0, cents: 0 };
    for await (const { value } of this.orders.list()) {
      if (value.status !== 'paid') continue;
      sum.orders++;
      sum.cents += value.total;
    }
    return sum;
  }

  // Not a tool: no decorator, so nobody outside can call it.
  private async change(id: string, rule: (order: Order) => Order): Promise<Order> {
    const order = await this.orders.update(id, (old) => {
      if (!old) throw new TerminalError(`there is no order ${id}`, { code: 'not_found' });
      return rule(old);
    });
    return order!;
  }
}
