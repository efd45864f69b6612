import { kv, log, tool } from '@aria/sdk';

/** What a customer bought and what became of it. */
export interface Purchase {
  id: string;
  buyer: string;
  /** In cents. */
  paid: number;
  /** In cents, so far. */
  returned: number;
}

/** The purchases that customers write about. */
export class Tickets {
  private readonly purchases = kv<Purchase>('support/purchases', 'rw');

  /** Records a purchase.
   * @param id such as "P-7"
   * @param paid in cents */
  @tool()
  async record(id: string, buyer: string, paid: number): Promise<Purchase> {
    const purchase = { id, buyer, paid, returned: 0 };
    await this.purchases.set(id, purchase);
    return purchase;
  }

  /** Looks a purchase up.
   * @param id the number of the purchase, such as "P-7" */
  @tool()
  async find(id: string): Promise<Purchase | null> {
    return (await this.purchases.get(id)) ?? null;
  }

  /** Pays back what is left of a purchase, at most so many cents. */
  @tool()
  async payBack(id: string, cents: number): Promise<{ id: string; returned: number }> {
    const purchase = await this.purchases.get(id);
    if (!purchase) throw new Error(`there is no purchase ${id}`);
    const now = Math.min(cents, purchase.paid - purchase.returned);
    await this.purchases.set(id, { ...purchase, returned: purchase.returned + now });
    log.info('paid back', { id, cents: now });
    return { id, returned: now };
  }
}
