import { kv, TerminalError, tool } from '@aria/sdk';

export interface Order {
  id: string;
  /** in cents @minimum 0 */
  total: number;
  status: 'open' | 'paid';
}

/** A toolbox: every method with @tool() is a tool. */
export class Orders {
  // Permission kv:__SPACE__:rw and its client in one.
  orders = kv<Order>('__SPACE__', 'rw');

  /** Write an order down.
   *  @param total in cents @minimum 0 */
  @tool()
  async add(id: string, total: number): Promise<Order> {
    const order: Order = { id, total, status: 'open' };
    await this.orders.cas(id, 0, order); // a Conflict if there is one already
    return order;
  }

  /** Look one order up. */
  @tool({ idempotent: true })
  async get(id: string): Promise<Order | null> {
    return (await this.orders.get(id)) ?? null;
  }

  /** Say that it is paid. */
  @tool()
  async pay(id: string): Promise<Order> {
    return this.orders.update(id, (order) => {
      if (!order) throw new TerminalError(`there is no order ${id}`);
      return { ...order, status: 'paid' as const };
    });
  }
}
