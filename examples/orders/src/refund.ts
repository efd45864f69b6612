import { Pipeline, pipeline, step, use } from '@aria/sdk';
import { Orders, type Order } from './orders';

/** What a customer complains about. */
export interface Complaint {
  orderId: string;
  /** In the customer's words. */
  text: string;
}

/** Pays small orders back at once; leaves large ones to a person. */
@pipeline({ on: 'event:order.complaint' })
export class RefundFlow extends Pipeline<Complaint, { refunded: number }> {
  private readonly orders = use(Orders);

  @step()
  async load(complaint: Complaint): Promise<Order | null> {
    return this.orders.get(complaint.orderId);
  }

  @step({ retries: 2 })
  async judge(complaint: Complaint): Promise<{ angry: boolean }> {
    return { angry: /!|never again|lawyer/i.test(complaint.text) };
  }

  // Arguments arrive in the order of `after`, whose names are checked against the class.
  @step({ after: ['load', 'judge'] })
  async settle(order: Order | null, verdict: { angry: boolean }): Promise<{ refunded: number }> {
    if (!order || order.status !== 'paid' || order.total > 5_000) return { refunded: 0 };
    const refund = await this.orders.refund(order.id, verdict.angry ? 'complaint, urgent' : 'complaint');
    return { refunded: refund.refunded };
  }
}
