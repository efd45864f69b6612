import { kv, Pipeline, pipeline, step, tool, use } from '@aria/sdk';

export interface Sale {
  thing: string;
  /** @minimum 0 */
  cents: number;
}

export class Sales {
  sales = kv<Sale>('__SPACE__', 'rw');

  /** Write a sale down. */
  @tool()
  async add(id: string, sale: Sale): Promise<void> {
    await this.sales.set(id, sale);
  }

  /** Every sale so far. */
  @tool({ idempotent: true })
  async all(): Promise<Sale[]> {
    return (await this.sales.entries()).map((e) => e.value);
  }
}

/** Sums the sales up. The steps are drawn before they run; each is journaled. */
@pipeline({ every: '1d', with: { currency: 'EUR' } })
export class Report extends Pipeline<{ currency: string }, { text: string }> {
  sales = use(Sales);

  @step({ retries: 2 })
  async load(_input: { currency: string }): Promise<Sale[]> {
    return this.sales.all();
  }

  @step({ after: 'load' })
  async sum(sales: Sale[]): Promise<number> {
    return sales.reduce((n, s) => n + s.cents, 0);
  }

  @step({ after: ['load', 'sum'] })
  async write(sales: Sale[], total: number): Promise<{ text: string }> {
    return { text: `${sales.length} sales, ${(total / 100).toFixed(2)}` };
  }
}
