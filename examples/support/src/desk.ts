import { Agent, agent, Team, team } from '@aria/sdk';
import { Tickets } from './tickets';

/** Answers customers. It may look purchases up, and pay nothing back. */
@agent({ model: 'local:planner', tools: [Tickets.prototype.find], maxSteps: 4, budget: { tokens: 20_000, time: '1m' } })
export class Helper extends Agent<{ question: string }, string> {
  instructions = 'Answer customers about their purchases. Look a purchase up before you say anything about it.';
}

/** Reads what the helper wrote against the record. */
@agent({ model: 'local:planner', tools: [Tickets.prototype.find], maxSteps: 3, budget: { tokens: 10_000 } })
export class Auditor extends Agent<{ question: string }, string> {
  instructions = 'Check that what the customer was told agrees with the record of the purchase.';
}

/** The desk that customers write to: both share one budget. */
@team({ members: [Helper, Auditor], lead: Helper, mode: 'lead', maxTurns: 6, budget: { tokens: 30_000 } })
export class HelpDesk extends Team<{ question: string }, string> {}
