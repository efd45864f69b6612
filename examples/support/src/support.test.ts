import { memoryHost } from '@aria/sdk/testing';
import { beforeEach, expect, test } from 'bun:test';
import { Payback } from './payback';
import { Tickets } from './tickets';

const host = memoryHost();
beforeEach(() => host.reset());

test('no more is paid back than was paid', async () => {
  const tickets = new Tickets();
  await tickets.record('P-7', 'Bo', 900);
  expect(await tickets.payBack('P-7', 600)).toEqual({ id: 'P-7', returned: 600 });
  expect(await tickets.payBack('P-7', 600)).toEqual({ id: 'P-7', returned: 300 });
  expect(tickets.payBack('P-8', 1)).rejects.toThrow('there is no purchase P-8');
});

test('a large claim is paid when finance agrees, and not when it does not', async () => {
  await new Tickets().record('P-9', 'Al', 90_000);
  const payback = new Payback();
  const purchase = await payback.load({ id: 'P-9', cents: 80_000, reason: 'broken' });
  host.approve = (role) => ({ ok: role === 'role:finance', by: 'ann' });
  expect(await payback.decide(purchase, 80_000)).toEqual({ id: 'P-9', cents: 80_000, why: 'agreed by ann' });
  host.approve = () => ({ ok: false, reason: 'too much' });
  expect(await payback.pay(await payback.decide(purchase, 80_000))).toEqual({ paid: 0, why: 'too much' });
});
