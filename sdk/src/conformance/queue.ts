import { queue } from '../index';
import { refused, same, sleep, type Case } from './suite';

interface Job { n: number }

const jobs = queue<Job, 'a'>('conf/jobs', 'a');
const other = queue<Job, 'rw'>('conf/other', 'rw');
const look = queue<Job>('conf/jobs', 's');

export const tokens = ['queue:conf:rw'];

const numbers = (s: { waiting: number; delayed: number; claimed: number; dead: number }) => [s.waiting, s.delayed, s.claimed, s.dead];

export const cases: Case[] = [
  ['first in, first out; what is acknowledged is gone', async () => {
    same(await jobs.claim(), undefined);
    await jobs.pushAll([{ n: 1 }, { n: 2 }]);
    await jobs.push({ n: 3 });
    const items = await jobs.claimMany(10);
    same(items.map((i) => [i.body.n, i.attempt]), [[1, 1], [2, 1], [3, 1]]);
    same(numbers(await look.stats()), [0, 0, 3, 0]);
    for (const i of items) await i.ack();
    same(numbers(await look.stats()), [0, 0, 0, 0]);
    await refused('conflict', () => items[0]!.ack());
  }],
  ['a claim that runs out goes to the next', async () => {
    await jobs.push({ n: 4 });
    const one = (await jobs.claim({ visibility: '80ms' }))!;
    same(await jobs.claim(), undefined);
    const two = (await jobs.claim({ wait: '2s' }))!;
    same([two.id === one.id, two.attempt], [true, 2]);
    await refused('conflict', () => one.ack());
    await refused('conflict', () => one.extend('1s'));
    await two.ack();
  }],
  ['a claim can be extended', async () => {
    await jobs.push({ n: 5 });
    const one = (await jobs.claim({ visibility: '100ms' }))!;
    await one.extend('10s');
    await sleep(150);
    same(await jobs.claim(), undefined);
    await one.ack();
  }],
  ['what is given back comes later, and dies in the end', async () => {
    const id = await other.push({ n: 6 }, { attempts: 2 });
    same(await (await other.claim())!.nack({ delay: '50ms', error: 'not yet' }), false);
    same(await other.claim(), undefined);
    same(numbers(await other.stats()), [0, 1, 0, 0]);
    same(await (await other.claim({ wait: '2s' }))!.nack({ error: 'never' }), true);
    same(numbers(await other.stats()), [0, 0, 0, 1]);
    const dead: any[] = [];
    for await (const d of other.dead()) dead.push([d.id, d.body.n, d.attempts, d.error, d.pushedAt instanceof Date]);
    same(dead, [[id, 6, 2, 'never', true]]);
    same(await other.redrive(), 1);
    const again = (await other.claim())!;
    same([again.id, again.attempt], [id, 1]);
    await again.nack({ delay: '0ms' });
    await (await other.claim())!.nack();
    same([await other.discard([id, 999_999]), numbers(await other.stats())], [1, [0, 0, 0, 0]]);
  }],
  ['an item whose claims all run out dies too', async () => {
    await other.push({ n: 7 }, { attempts: 1 });
    await other.claim({ visibility: '20ms' });
    same(await other.claim({ wait: '150ms' }), undefined);
    same(numbers(await other.stats()), [0, 0, 0, 1]);
    await other.discard();
  }],
  ['the same push within a day is none', async () => {
    const id = await jobs.push({ n: 8 }, { once: 'order-8' });
    same(await jobs.push({ n: 8 }, { once: 'order-8' }), id);
    await (await jobs.claim())!.ack();
    same([await jobs.push({ n: 8 }, { once: 'order-8' }), await jobs.claim()], [id, undefined]);
  }],
  ['an item can wait, and so can a claim', async () => {
    await jobs.push({ n: 9 }, { delay: '100ms' });
    same(await jobs.claim(), undefined);
    const [item] = await Promise.all([jobs.claim({ wait: '5s' }), sleep(10)]);
    same(item!.body, { n: 9 });
    await item!.ack();
    const late = jobs.claim({ wait: '5s' });
    await sleep(30);
    await jobs.push({ n: 10 });
    await (await late)!.ack();
  }],
  ['work acknowledges what goes well and gives back what throws', async () => {
    await jobs.pushAll([{ n: 1 }, { n: 2 }, { n: 3 }]);
    const seen: number[] = [];
    const done = await jobs.work((job) => {
      seen.push(job.n);
      if (job.n === 2) throw new Error('no two');
    });
    same([done, seen, numbers(await jobs.stats())], [2, [1, 2, 3], [0, 1, 0, 0]]);
    const left = (await jobs.claim({ wait: '5s' }))!;
    same([left.body.n, left.attempt], [2, 2]);
    await left.ack();
  }],
  ['what cannot be is refused', async () => {
    await refused('invalid', () => jobs.push({ n: NaN }));
    await refused('invalid', () => jobs.push('x'.repeat(300_000) as any));
    await refused('invalid', () => jobs.push({ n: 1 }, { attempts: 5000 }));
  }],
];
