import { Agent, agent, Team, team } from '@aria/sdk';
import { Orders } from './orders';

/** Answers customers about their orders. */
@agent({ model: 'local:planner', tools: [Orders], maxSteps: 6, budget: { tokens: 20_000, time: '1m' } })
export class Support extends Agent<{ question: string }, string> {
  instructions = 'Answer customers about their orders. Look an order up before you say anything about it.';
}

/** Checks an answer against the order record. It may read one order, and change none. */
@agent({ model: 'local:planner', tools: [Orders.prototype.get], maxSteps: 3 })
export class Auditor extends Agent<{ question: string }, string> {
  instructions = 'Check that what the customer was told agrees with the order record.';
}

/** The desk that customers write to. */
@team({ members: [Support, Auditor], lead: Support, mode: 'lead', maxTurns: 6 })
export class Desk extends Team<{ question: string }, string> {}
