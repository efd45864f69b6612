// Units are plain classes: "arc test" runs this without a daemon.
import { expect, test } from 'bun:test';
import { memoryHost } from '@aria/sdk/testing';
import { Orders } from './orders';

test('an order is paid once it is there', async () => {
  memoryHost();
  const orders = new Orders();
  expect(orders.pay('A1')).rejects.toThrow('there is no order A1');
  await orders.add('A1', 500);
  expect((await orders.pay('A1')).status).toBe('paid');
  expect(await orders.get('A2')).toBe(null);
});
