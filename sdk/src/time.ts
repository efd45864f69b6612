// Spans of time as people write them.
import type * as api from '../dist/index';
import { AriaError } from './errors';

const unit: Record<string, number> = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 };

/** Milliseconds, at least 1. */
export function millis(d: api.Dur): number {
  const m = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(d);
  const n = m ? Math.round(Number(m[1]) * unit[m[2]!]!) : 0;
  if (!(n >= 1)) throw new AriaError('invalid', `"${d}" is not a span of time`, { hint: 'write it like "30s", "5m" or "7d"' });
  return n;
}
