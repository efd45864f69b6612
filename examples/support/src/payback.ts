import { approval, Pipeline, pipeline, step, use } from '@aria/sdk';
import { Tickets, type Purchase } from './tickets';

/** What a customer wants back. */
export interface Claim {
  id: string;
  /** In cents. */
  cents: number;
  reason: string;
}

/** Above this many cents a person has to agree. */
const LARGE = 5_000;

/** Pays small claims back at once, and large ones when finance agrees. */
@pipeline()
export class Payback extends Pipeline<Claim, { paid: number; why: string }> {
  private readonly tickets = use(Tickets);

  @step()
  async load(claim: Claim): Promise<Purchase | null> {
    return this.tickets.find(claim.id);
  }

  @step()
  async amount(claim: Claim): Promise<number> {
    return Math.max(0, Math.floor(claim.cents));
  }

  // A run that waits here has no container and holds nothing, for as long as it takes.
  @step({ after: ['load', 'amount'] })
  async decide(purchase: Purchase | null, cents: number): Promise<{ id: string; cents: number; why: string }> {
    if (!purchase) return { id: '', cents: 0, why: 'no such purchase' };
    const most = Math.min(cents, purchase.paid - purchase.returned);
    if (most <= LARGE) return { id: purchase.id, cents: most, why: 'small' };
    const answer = await approval('role:finance', { purchase: purchase.id, cents: most }, { timeout: '2d' });
    if (answer.ok) return { id: purchase.id, cents: most, why: `agreed by ${answer.by ?? 'somebody'}` };
    return { id: purchase.id, cents: 0, why: answer.timeout ? 'nobody answered' : (answer.reason ?? 'denied') };
  }

  @step({ after: ['decide'] })
  async pay(decision: { id: string; cents: number; why: string }): Promise<{ paid: number; why: string }> {
    if (decision.cents === 0) return { paid: 0, why: decision.why };
    const done = await this.tickets.payBack(decision.id, decision.cents);
    return { paid: done.returned, why: decision.why };
  }
}
