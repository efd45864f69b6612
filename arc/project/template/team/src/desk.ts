import { Agent, agent, kv, Team, team, tool } from '@aria/sdk';

/** What is known about prices. */
export class Prices {
  prices = kv<number>('__SPACE__', 'r');

  /** The price of a thing in cents, or null.
   *  @param thing its name in the catalogue */
  @tool({ idempotent: true })
  async price(thing: string): Promise<number | null> {
    return (await this.prices.get(thing)) ?? null;
  }
}

/** Looks facts up and adds nothing. */
@agent({ model: 'local:planner', tools: [Prices], maxSteps: 4 })
export class Researcher extends Agent<{ question: string }, { facts: string }> {
  instructions = 'Find the facts that answer the question. Say what you did not find.';
}

/** Writes the answer. */
@agent({ model: 'local:planner', maxSteps: 2 })
export class Writer extends Agent<{ question: string }, { text: string }> {
  instructions = 'Answer in two sentences, with the facts that you were given and no others.';
}

/** One after the other: what the first finds, the second writes down. */
@team({ members: [Researcher, Writer], mode: 'sequence', maxTurns: 4 })
export class Desk extends Team<{ question: string }, { text: string }> {}
