import { kv, pipeline, Pipeline, step, tool, use } from '@aria/sdk';

// Counting is not idempotent: done twice, it shows.
class Counting {
  counts = kv<number>('chaos/counts', 'a');
  async up(run: string, n: number): Promise<number> {
    return this.counts.update(`${run}/${n}`, (old) => (old ?? 0) + 1);
  }
}

export class Count extends Counting {
  /** Counts one place of a run up. */
  @tool()
  async one(run: string, n: number): Promise<number> { return this.up(run, n); }
  /** How often each of the ten places of a run was counted. */
  @tool()
  async read(run: string): Promise<number[]> {
    return Promise.all(Array.from({ length: 10 }, async (_, n) => (await this.counts.get(`${run}/${n}`)) ?? 0));
  }
}

interface In { run: string }

/** Ten steps, two of them at the same time. */
@pipeline()
export class Steps extends Pipeline<In, string> {
  counts = kv<number>('chaos/counts', 'a');
  async up(run: string, n: number): Promise<string> {
    await this.counts.update(`${run}/${n}`, (old) => (old ?? 0) + 1);
    return run;
  }
  @step() async s0(i: In): Promise<string> { return this.up(i.run, 0); }
  @step({ after: ['s0'] }) async s1(r: string): Promise<string> { return this.up(r, 1); }
  @step({ after: ['s1'] }) async s2(r: string): Promise<string> { return this.up(r, 2); }
  @step({ after: ['s1'] }) async s3(r: string): Promise<string> { return this.up(r, 3); }
  @step({ after: ['s2', 's3'] }) async s4(r: string, _: string): Promise<string> { return this.up(r, 4); }
  @step({ after: ['s4'] }) async s5(r: string): Promise<string> { return this.up(r, 5); }
  @step({ after: ['s5'] }) async s6(r: string): Promise<string> { return this.up(r, 6); }
  @step({ after: ['s6'] }) async s7(r: string): Promise<string> { return this.up(r, 7); }
  @step({ after: ['s7'] }) async s8(r: string): Promise<string> { return this.up(r, 8); }
  @step({ after: ['s8'] }) async s9(r: string): Promise<string> { return this.up(r, 9); }
}

/** The same as code: its own effects, calls of a tool, two at a time, pauses. */
@pipeline()
export class Code extends Pipeline<In, string> {
  counts = kv<number>('chaos/counts', 'a');
  count = use(Count);
  async run(i: In): Promise<string> {
    for (let n = 0; n < 10; n += 2) {
      await Promise.all([
        this.counts.update(`${i.run}/${n}`, (old) => (old ?? 0) + 1),
        this.count.one(i.run, n + 1),
      ]);
      await new Promise((done) => setTimeout(done, 20));
    }
    return i.run;
  }
}
