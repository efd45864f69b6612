import { blob } from '../index';
import { refused, same, sleep, type Case } from './suite';

const files = blob('conf/files', 'rw');
const reads = blob('conf/files');

export const tokens = ['blob:conf:rw'];

const bytes = (n: number, seed = 1) => {
  const out = new Uint8Array(n); // a loop: Uint8Array.from takes a hundred times as long
  for (let i = 0; i < n; i++) out[i] = i * 31 + seed + (i >> 8);
  return out;
};
const equal = (a: Uint8Array | undefined, b: Uint8Array) => a !== undefined && Buffer.from(a).equals(Buffer.from(b));

export const cases: Case[] = [
  ['what is put comes back', async () => {
    same([await reads.get('a'), await reads.stat('a'), await reads.text('a')], [undefined, undefined, undefined]);
    const s = await files.put('a', 'hello', { type: 'text/plain' });
    same([s.name, s.size, s.sha256, s.type, s.writtenAt instanceof Date], ['a', 5, '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824', 'text/plain', true]);
    same([await reads.text('a'), (await reads.stat('a'))!.size], ['hello', 5]);
    await files.put('empty', new Uint8Array(0));
    same([(await reads.get('empty'))!.length, (await reads.stat('empty'))!.size], [0, 0]);
    await files.put('blob', new Blob(['x', 'y'], { type: 'text/csv' }));
    same([await reads.text('blob'), (await reads.stat('blob'))!.type!.slice(0, 8)], ['xy', 'text/csv']);
  }],
  ['large content goes in pieces and comes whole', async () => {
    const big = bytes(5_000_001);
    await files.put('big', big);
    same(equal(await reads.get('big'), big), true);
    let n = 0;
    for await (const p of reads.stream('big', { at: 4_999_000 })) n += p.length;
    same(n, 1001);
    await files.put('streamed', (async function* () {
      for (let i = 0; i < 30; i++) yield bytes(100_000, i);
      yield 'end';
    })());
    const got = (await reads.get('streamed'))!;
    same([got.length, new TextDecoder().decode(got.subarray(-3)), equal(got.subarray(100_000, 200_000), bytes(100_000, 1))], [3_000_003, 'end', true]);
  }],
  ['a stream that breaks off leaves what was there', async () => {
    await files.put('kept', 'old');
    await refused('failed', () => files.put('kept', (async function* () {
      yield bytes(3_000_000);
      throw Object.assign(new Error('cut'), { code: 'failed' });
    })()));
    same(await reads.text('kept'), 'old');
  }],
  ['names share content and lose it one by one', async () => {
    await files.put('one', 'the same');
    await files.put('two', 'the same');
    same(await files.delete('one'), true);
    same([await files.delete('one'), await reads.text('two')], [false, 'the same']);
    await files.put('two', 'other');
    await files.put('three', 'the same');
    same([await reads.text('two'), await reads.text('three')], ['other', 'the same']);
  }],
  ['names are listed in order, with a prefix', async () => {
    for (let i = 0; i < 205; i++) await files.put(`l/${String(i).padStart(3, '0')}`, String(i));
    const names: string[] = [];
    for await (const s of reads.list('l/')) names.push(s.name);
    same([names.length, names[0], names[204]], [205, 'l/000', 'l/204']);
  }],
  ['a reader notices that it reads something else', async () => {
    await files.put('moving', bytes(3_000_000));
    await refused('conflict', async () => {
      for await (const _ of reads.stream('moving')) await files.put('moving', bytes(3_000_000, 7));
    });
    await refused('not_found', async () => {
      for await (const _ of reads.stream('nothing'));
    });
  }],
  ['a blob that expired is not there', async () => {
    await files.put('t', 'x', { ttl: '400ms' });
    same(await reads.text('t'), 'x');
    await sleep(500);
    same([await reads.get('t'), await files.delete('t')], [undefined, false]);
  }],
  ['what is no name is refused', async () => {
    await refused('invalid', () => files.put('', 'x'));
    await refused('invalid', () => files.put('x'.repeat(513), 'x'));
    await refused('invalid', () => files.put('half \ud83d', 'x'));
    await refused('invalid', () => files.put('n', 7 as any));
  }],
];
