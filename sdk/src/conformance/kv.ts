import { kv, lock } from '../index';
import { refused, same, sleep, take, type Case } from './suite';

interface Item { n: number }

const box = kv<Item, 'rw'>('conf/box', 'rw');
const stock = kv<number, 'rw'>('conf/stock', 'rw');
const reads = kv<number>('conf/stock', 's');
const gate = lock('conf/gate');

export const tokens = ['kv:conf:rw', 'lock:conf/gate:rw'];

export const cases: Case[] = [
  ['versions rise and are not used again', async () => {
    const v = await box.set('a', { n: 1 });
    same(await box.cas('a', v, { n: 2 }), v + 1);
    await refused('conflict', () => box.cas('a', v, { n: 3 }));
    same(await box.delete('a'), true);
    same((await box.set('a', { n: 1 })) > v + 1, true);
  }],
  ['keys are text in the order of their bytes', async () => {
    for (const k of ['o/\u{1f600}', 'o/\uff5e', 'o/b', 'o/a']) await box.set(k, { n: 0 });
    same((await box.entries('o/')).map((e) => e.key), ['o/a', 'o/b', 'o/\uff5e', 'o/\u{1f600}']);
    await refused('invalid', () => box.set('half \ud83d', { n: 1 }));
    await refused('invalid', () => box.get('\ufffd'));
    await refused('invalid', () => box.set('nul \0', { n: 1 }));
    await refused('invalid', () => box.entries('half \ud83d'));
  }],
  ['a value that expired is not there', async () => {
    await box.set('t', { n: 1 }, { ttl: '150ms' });
    same(await box.get('t'), { n: 1 });
    await sleep(250);
    same(await box.get('t'), undefined);
  }],
  ['a transaction writes all or nothing', async () => {
    await stock.set('tea', 2);
    const id = await kv.tx([box, stock], async (b, s) => {
      const left = (await s.get('tea'))!;
      s.set('tea', left - 1);
      same(await s.get('tea'), 1, 'own write');
      b.set('order', { n: left });
      b.set('gone', { n: 1 });
      b.delete('gone');
      return 'done';
    });
    same([id, await stock.get('tea'), await box.get('order'), await box.get('gone')], ['done', 1, { n: 2 }, undefined]);
    await refused('failed', () => stock.tx(async (s) => {
      s.set('tea', 99);
      throw Object.assign(new Error('rule'), { code: 'failed' });
    }));
    same(await stock.get('tea'), 1);
  }],
  ['a transaction begins again when what it read has changed', async () => {
    await stock.set('n', 10);
    let rounds = 0;
    await stock.tx(async (s) => {
      const n = (await s.get('n'))!;
      if (rounds++ === 0) await stock.set('n', 20);
      s.set('n', n + 1);
    });
    same([rounds, await stock.get('n')], [2, 21]);
  }],
  ['a transaction sees a key that came into its list', async () => {
    await stock.set('l/a', 1);
    let rounds = 0;
    const sum = await stock.tx(async (s) => {
      const all = await s.list('l/');
      if (rounds++ === 0) await stock.set('l/b', 2);
      s.set('l/0', 0);
      same((await s.list('l/')).map((e) => e.key).slice(0, 2), ['l/0', 'l/a']);
      return all.reduce((a, e) => a + e.value, 0);
    });
    same([rounds, sum], [2, 3]);
  }],
  ['a transaction that is over refuses', async () => {
    let leaked: any;
    await stock.tx((s) => void (leaked = s));
    await refused('invalid', () => leaked.get('tea'));
    await refused('invalid', () => leaked.set('tea', 1));
  }],
  ['two hundred increments in transactions lose nothing', async () => {
    await stock.set('count', 0);
    await Promise.all(Array.from({ length: 4 }, async () => {
      for (let i = 0; i < 50; i++) await stock.tx(async (s) => s.set('count', (await s.get('count'))! + 1));
    }));
    same(await stock.get('count'), 200);
  }],
  ['a snapshot is of one moment', async () => {
    await stock.set('s', 1);
    const seen = await kv.snapshot([reads, box], async (s, b) => {
      const before = await s.get('s');
      await stock.set('s', 2);
      await box.set('late', { n: 1 });
      return [before, await s.get('s'), (await s.entries('s')).filter((e) => e.key === 's')[0]!.value, await b.get('late')];
    });
    same(seen, [1, 1, 1, undefined]);
    same(await stock.get('s'), 2);
  }],
  ['a watch tells the newest state of what changes', async () => {
    await stock.set('w/old', 1);
    const first = take(1, stock.watch('w/', { initial: true }));
    same((await first).map((e: any) => [e.type, e.key, e.value]), [['set', 'w/old', 1]]);
    const [{ at }] = await first as any;
    await stock.set('w/a', 1);
    await stock.set('other', 1);
    await stock.set('w/a', 2);
    await stock.delete('w/old');
    const more = await take(2, stock.watch('w/', { since: at }));
    same(more.map((e: any) => [e.type, e.key, e.value]), [['set', 'w/a', 2], ['delete', 'w/old', undefined]]);
    const waits = take(1, reads.watch('w/', { since: more[1]!.at }));
    await sleep(50);
    await stock.set('w/b', 3);
    same((await waits).map((e: any) => [e.type, e.key, e.value]), [['set', 'w/b', 3]]);
  }],
  ['a watch that missed something says so', async () => {
    const [e] = await take(1, stock.watch('', { since: '1' }));
    same(e!.type === 'gap' || e!.type === 'set', true);
  }],
  ['a lock is held while its function runs', async () => {
    const fences = [await gate.hold((fence) => fence), await gate.hold(async (fence) => fence)];
    same(fences.every((f) => f > 0n), true);
    await refused('failed', () => gate.hold(() => { throw Object.assign(new Error('x'), { code: 'failed' }); }));
  }],
];
