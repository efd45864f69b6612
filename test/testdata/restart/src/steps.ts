import { kv, pipeline, Pipeline, tool, use } from '@aria/sdk';

export class Steps {
  seen_ = kv<number>('restart/seen', 'a');
  /** Counts one up. */
  @tool()
  async count(id: string): Promise<number> {
    const key = `${id}/${crypto.randomUUID()}`;
    await this.seen_.set(key, 1);
    return 1;
  }
  /** How often something was counted. */
  @tool()
  async seen(id: string): Promise<number> { return (await this.seen_.entries(id + '/')).length; }
}

/** Ten steps of one piece of code. */
@pipeline()
export class Ten extends Pipeline<{ id: string; ms: number }, number> {
  seen = kv<number>('restart/seen', 'a');
  async run(i: { id: string; ms: number }): Promise<number> {
    let n = 0;
    for (let k = 0; k < 10; k++) {
      await this.seen.set(`${i.id}/${crypto.randomUUID()}`, Date.now());
      await new Promise((r) => setTimeout(r, i.ms));
      n++;
    }
    return n;
  }
}

/** Twenty calls of a tool, two at a time. */
@pipeline()
export class Twice extends Pipeline<{ id: string; ms: number }, number> {
  steps = use(Steps);
  async run(i: { id: string; ms: number }): Promise<number> {
    let n = 0;
    for (let k = 0; k < 10; k++) {
      const [a, b] = await Promise.all([this.steps.count(i.id), this.steps.count(i.id)]);
      n += a + b;
      await new Promise((r) => setTimeout(r, i.ms));
    }
    return n;
  }
}
