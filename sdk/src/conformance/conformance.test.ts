import { expect, test } from 'bun:test';
import { memoryHost } from '../testing';
import { suites, Unit } from './unit';

test.each(Object.keys(suites) as (keyof typeof suites)[])('%s in memory answers as the broker does', async (name) => {
  memoryHost();
  expect(await new Unit().run(name)).toEqual([]);
});
