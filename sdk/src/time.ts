import type * as api from '../dist/index';
import { AriaError } from './errors';

const unit: Record<string, number> = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 };

/** A span of time in milliseconds; zero only where least is 0. */
export function millis(d: api.Dur, least = 1): number {
  const m = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(d);
  const n = m ? Math.round(Number(m[1]) * unit[m[2]!]!) : -1;
  if (!(n >= least)) throw new AriaError('invalid', `"${d}" is not a span of time`, { hint: 'write it like "30s", "5m" or "7d"' });
  return n;
}

export const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

/** Waits after the nth loss of a race, so that the others are soon out of step: up to a second. */
export const backOff = (n: number) => pause(Math.random() * 2 ** Math.min(n, 10));
