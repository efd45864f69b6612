import { agent, Agent, approval, kv, pipeline, Pipeline, step, team, Team, tool, use } from '@aria/sdk';

interface Ask { id: string; wait: '300ms' | '1h' }
interface Told { id: string; ok: boolean; by?: string; reason?: string; timeout?: boolean }
interface Say { text: string }

export class Till {
  paid = kv<number>('deep/paid', 'a');
  @tool()
  async times(id: string): Promise<number> { return (await this.paid.get(id)) ?? 0; }
  /** Pay for a thing.
   * @param text what to pay for */
  @tool({ approve: true })
  async pay(text: string): Promise<Say> {
    await this.paid.update('desk', (n) => (n ?? 0) + 1);
    return { text: 'paid' };
  }
  @tool()
  async hang(id: string): Promise<Told> {
    await new Promise((done) => setTimeout(done, 600_000));
    return { id, ok: true };
  }
}

/** At the bottom: a person is asked, and then something is done that must be done once. */
@pipeline()
export class Bottom extends Pipeline<Ask, Told> {
  paid = kv<number>('deep/paid', 'a');
  async run(i: Ask): Promise<Told> {
    const a = await approval('role:finance', { id: i.id }, { timeout: i.wait });
    if (a.ok) await this.paid.update(i.id, (n) => (n ?? 0) + 1);
    return { id: i.id, ok: a.ok, by: a.by, reason: a.reason, timeout: a.timeout };
  }
}

@team({ members: [Bottom], mode: 'sequence' })
export class Inner extends Team<Ask, Told> {}

@team({ members: [Inner], mode: 'vote' })
export class Outer extends Team<Ask, Told> {}

@pipeline()
export class Top extends Pipeline<Ask, Told> {
  outer = use(Outer);
  @step() async first(i: Ask): Promise<Ask> { return i; }
  @step({ after: 'first' }) async ask(i: Ask): Promise<Told> { return this.outer.run(i); }
  @step({ after: 'ask' }) async last(t: Told): Promise<Told> { return t; }
}

/** The same with an agent, whose tool needs a person's word. */
@agent({ model: 'local:planner', tools: [Till.prototype.pay], maxSteps: 4 })
export class Clerk extends Agent<Say, Say> { instructions = 'Pay for the thing.'; }
@team({ members: [Clerk], mode: 'sequence' })
export class Desk extends Team<Say, Say> {}
@team({ members: [Desk], mode: 'sequence' })
export class House extends Team<Say, Say> {}
@pipeline()
export class Buy extends Pipeline<Say, string> {
  house = use(House);
  async run(i: Say): Promise<string> { return (await this.house.run(i)).text; }
}

/** Three levels above a container that does not end. */
@pipeline()
export class Hanging extends Pipeline<Ask, Told> {
  till = use(Till);
  async run(i: Ask): Promise<Told> { return this.till.hang(i.id); }
}
@team({ members: [Hanging, Bottom], mode: 'parallel' })
export class Stuck extends Team<Ask, Told[]> {}
@team({ members: [Stuck], mode: 'sequence' })
export class MoreStuck extends Team<Ask, Told[]> {}
@pipeline()
export class Doomed extends Pipeline<Ask, number> {
  stuck = use(MoreStuck);
  till = use(Till);
  async run(i: Ask): Promise<number> {
    const [a] = await Promise.all([this.stuck.run(i), this.till.hang(i.id)]);
    return a.length;
  }
}
