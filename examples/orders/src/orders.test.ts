// Units are plain objects: `bun test` runs them against a host in memory.
import { memoryHost } from '@aria/sdk/testing';
import { beforeEach, expect, test } from 'bun:test';
import { Orders } from './orders';

const host = memoryHost();
beforeEach(() => host.reset());

test('an order is taken, paid and paid back', async () => {
  const orders = new Orders();
  await orders.add('A-17', 'Bo', 2_500);
  expect(await orders.total()).toEqual({ orders: 0, cents: 0 });
  await orders.pay('A-17');
  expect(await orders.total()).toEqual({ orders: 1, cents: 2_500 });
  expect(await orders.refund('A-17')).toEqual({ id: 'A-17', refunded: 2_500, reason: 'as requested' });
  expect(host.dump('orders')).toEqual({ 'A-17': { id: 'A-17', buyer: 'Bo', total: 2_500, status: 'refunded' } });
  expect(host.logs.map((l) => l.text)).toEqual(['order taken', 'order refunded']);
});

test('rules hold', async () => {
  const orders = new Orders();
  await orders.add('A-17', 'Bo', 2_500);
  expect(orders.add('A-17', 'Al', 1)).rejects.toThrow('order A-17 exists already');
  expect(orders.refund('A-17')).rejects.toThrow('order A-17 is open, so there is nothing to pay back');
  expect(orders.pay('B-1')).rejects.toThrow('there is no order B-1');
  expect(await orders.get('B-1')).toBeNull();
});

test('lists by state and up to a limit', async () => {
  const orders = new Orders();
  for (const id of ['c', 'a', 'b']) await orders.add(id, 'Bo', 100);
  await orders.pay('b');
  expect((await orders.list()).map((o) => o.id)).toEqual(['a', 'b', 'c']);
  expect((await orders.list('paid')).map((o) => o.id)).toEqual(['b']);
  expect((await orders.list(undefined, 2)).length).toBe(2);
});
