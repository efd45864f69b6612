// Waiting that outlives the container: for a person, for a moment.
import type * as api from '../dist/index';
import { AriaError } from './errors';
import { call } from './host';
import { strictJSON } from './json';
import { millis } from './time';

export const approval: typeof api.approval = async (role, data, opts = {}) => {
  const timeoutMs = opts.timeout === undefined ? 0 : millis(opts.timeout);
  let what: unknown;
  try {
    what = strictJSON(data ?? null, 'data of the approval');
  } catch (e) {
    throw new AriaError('invalid', (e as Error).message, { hint: 'show plain data' });
  }
  return call('run.approve', { role, data: what, timeoutMs });
};

export const sleep: typeof api.sleep = async (span) => {
  await call('run.sleep', { ms: millis(span) });
};
