import { kv, log, Pipeline, pipeline, step, tool, use } from '@aria/sdk';

/** What was sold, by day. */
export class Sales {
  private readonly days = kv<number[]>('scheduled/sales', 'rw');

  /** Books a sale.
   * @param day such as "2026-11-22" */
  @tool()
  async book(day: string, cents: number): Promise<void> {
    await this.days.update(day, (old) => [...(old ?? []), cents]);
  }

  /** What a day's sales come to. */
  @tool()
  async sum(day: string): Promise<{ sales: number; cents: number }> {
    const all = (await this.days.get(day)) ?? [];
    return { sales: all.length, cents: all.reduce((a, b) => a + b, 0) };
  }
}

export interface Closing {
  day: string;
  sales: number;
  cents: number;
}

/** Closes a day: every night at two, one at a time, and by hand for any day. */
@pipeline({ cron: '0 2 * * *', zone: 'Europe/Berlin', concurrency: { max: 1 } })
export class CloseDay extends Pipeline<{ day: string }, Closing> {
  private readonly sales = use(Sales);
  private readonly closings = kv<Closing>('scheduled/closings', 'rw');

  @step({ retries: 3 })
  async add(input: { day: string }): Promise<Closing> {
    return { day: input.day, ...(await this.sales.sum(input.day)) };
  }

  // The same day again gives the same entry: a second run does no harm.
  @step({ after: ['add'] })
  async keep(closing: Closing): Promise<Closing> {
    await this.closings.set(closing.day, closing);
    log.info('day closed', { ...closing });
    return closing;
  }
}
