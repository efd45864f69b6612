// The tools of a team are plain classes: "arc test" runs this without a daemon.
import { expect, test } from 'bun:test';
import { memoryHost } from '@aria/sdk/testing';
import { Prices } from './desk';

test('an unknown thing has no price', async () => {
  memoryHost();
  expect(await new Prices().price('moon')).toBe(null);
});
