import { approval, kv, pipeline, Pipeline, step, tool } from '@aria/sdk';

export class Work {
  marks = kv<number>('bench/marks', 'a');
  /** Nothing but its container. */
  @tool()
  async nothing(n: number): Promise<number> { return n; }
  /** So many journaled writes, one after the other. */
  @tool()
  async writes(key: string, n: number): Promise<number> {
    for (let i = 1; i <= n; i++) await this.marks.set(key, i);
    return n;
  }
}

/** Ten steps, one after the other, each in a container of its own. */
@pipeline()
export class Ten extends Pipeline<{ n: number }, number> {
  @step() async s0(i: { n: number }): Promise<number> { return i.n + 1; }
  @step({ after: ['s0'] }) async s1(n: number): Promise<number> { return n + 1; }
  @step({ after: ['s1'] }) async s2(n: number): Promise<number> { return n + 1; }
  @step({ after: ['s2'] }) async s3(n: number): Promise<number> { return n + 1; }
  @step({ after: ['s3'] }) async s4(n: number): Promise<number> { return n + 1; }
  @step({ after: ['s4'] }) async s5(n: number): Promise<number> { return n + 1; }
  @step({ after: ['s5'] }) async s6(n: number): Promise<number> { return n + 1; }
  @step({ after: ['s6'] }) async s7(n: number): Promise<number> { return n + 1; }
  @step({ after: ['s7'] }) async s8(n: number): Promise<number> { return n + 1; }
  @step({ after: ['s8'] }) async s9(n: number): Promise<number> { return n + 1; }
}

/** Waits for a person: open, with nothing of it running. */
@pipeline()
export class Waits extends Pipeline<{ n: number }, boolean> {
  async run(i: { n: number }): Promise<boolean> { return (await approval('role:nobody', i)).ok; }
}
