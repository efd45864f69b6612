// Steps are methods of a plain class: "arc test" runs this without a daemon.
import { expect, test } from 'bun:test';
import { memoryHost } from '@aria/sdk/testing';
import { Report, Sales } from './report';

test('sums up', async () => {
  memoryHost();
  await new Sales().add('1', { thing: 'tea', cents: 250 });
  const report = new Report();
  const sales = await report.load({ currency: 'EUR' });
  expect(await report.write(sales, await report.sum(sales))).toEqual({ text: '1 sales, 2.50' });
});
