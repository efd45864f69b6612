import { Agent, agent, kv, tool } from '@aria/sdk';

/** What the agent may call. */
export class Notes {
  notes = kv<string>('__SPACE__', 'rw');

  /** Keep a note under a title.
   *  @param title a few words @minLength 1 */
  @tool()
  async keep(title: string, text: string): Promise<void> {
    await this.notes.set(title, text);
  }

  /** Every title there is. */
  @tool({ idempotent: true })
  async titles(): Promise<string[]> {
    return (await this.notes.entries()).map((e) => e.key);
  }

  /** The note under a title, or null. */
  @tool({ idempotent: true })
  async read(title: string): Promise<string | null> {
    return (await this.notes.get(title)) ?? null;
  }
}

/** Keeps notes and finds them again. */
@agent({ model: 'local:planner', tools: [Notes], maxSteps: 6, budget: { time: '1m' } })
export class Clerk extends Agent<{ request: string }, { answer: string }> {
  instructions = 'Keep and find notes. Look at the titles before you say that there is none.';
}
