import { memoryHost } from '@aria/sdk/testing';
import { expect, test } from 'bun:test';
import { CloseDay, Sales } from './nightly';

const host = memoryHost();

test('a day is closed, and closing it again changes nothing', async () => {
  const sales = new Sales();
  await sales.book('2026-11-22', 300);
  await sales.book('2026-11-22', 450);
  const job = new CloseDay();
  for (let i = 0; i < 2; i++) {
    expect(await job.keep(await job.add({ day: '2026-11-22' }))).toEqual({ day: '2026-11-22', sales: 2, cents: 750 });
  }
  expect(host.dump('scheduled/closings')).toEqual({ '2026-11-22': { day: '2026-11-22', sales: 2, cents: 750 } });
});
