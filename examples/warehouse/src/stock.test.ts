// Units are plain objects: `bun test` runs them against a host in memory.
import { memoryHost } from '@aria/sdk/testing';
import { beforeEach, expect, test } from 'bun:test';
import { Dock, Stock } from './stock';

const host = memoryHost();
beforeEach(() => host.reset());

const tea = { sku: 'tea-01', about: 'green tea from Japan', price: 900 };

test('what is received is sold and shipped, once per order', async () => {
  const stock = new Stock();
  expect(await stock.receive(tea, 5)).toBe(5);
  expect(await stock.sell('A-1', 'tea-01', 2)).toEqual({ left: 3 });
  expect(stock.sell('A-2', 'tea-01', 9)).rejects.toThrow('there are 3 of tea-01, not 9');
  const dock = new Dock();
  expect(await dock.ship()).toEqual({ shipped: 1 });
  expect(await dock.ship()).toEqual({ shipped: 0 });
  expect(await dock.report('tea-01')).toMatchObject({ name: 'tea-01.txt', bytes: 19 });
});

test('things are found by what they are for', async () => {
  const stock = new Stock();
  await stock.receive(tea, 1);
  await stock.receive({ sku: 'cup-01', about: 'a cup for coffee', price: 1200 }, 1);
  expect((await stock.find('some green tea'))[0]!.sku).toBe('tea-01');
  expect((await stock.find('a cup', 1000)).map((f) => f.sku)).not.toContain('cup-01');
});
