import { Agent, agent, kv, log, tool } from '@aria/sdk';

/** One greeting. */
export interface Greeting {
  text: string;
  /** how often this name was greeted so far @minimum 1 */
  times: number;
}

/** A toolbox: every method with @tool() is a tool. */
export class Hello {
  // Permission kv:__SPACE__:rw and its client in one.
  greeted = kv<number>('__SPACE__', 'rw');

  /** Greet somebody and count how often.
   *  @param name who to greet @minLength 1 @maxLength 100 */
  @tool()
  async greet(name: string): Promise<Greeting> {
    const times = await this.greeted.update(name, (n) => (n ?? 0) + 1);
    log.info('greeted', { name, times });
    return { text: times === 1 ? `Hello, ${name}!` : `Hello again, ${name}!`, times };
  }

  /** How often was a name greeted?
   *  @param name the name to look up */
  @tool()
  async count(name: string): Promise<number> {
    return (await this.greeted.get(name)) ?? 0;
  }
}

/** Greets people when asked to in words. */
@agent({ model: 'local:planner', tools: [Hello], maxSteps: 4 })
export class Greeter extends Agent<{ request: string }, Greeting> {
  instructions = 'Greet the person that the request names.';
}
