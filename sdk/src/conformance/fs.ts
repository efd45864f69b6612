import { fs } from '../index';
import { refused, same, type Case } from './suite';

const disk = fs('/conf/disk', 'rw');
const reads = fs('/conf/disk');

export const tokens = ['fs:/conf:rw'];

const names = async (dir?: string) => (await reads.list(dir)).map((s) => s.name + (s.dir ? '/' : ''));

export const cases: Case[] = [
  ['what is written is read', async () => {
    same([await reads.read('a.txt'), await reads.stat('a.txt'), await names()], [undefined, undefined, []]);
    await disk.write('a.txt', 'hello');
    same([await reads.readText('a.txt'), (await reads.stat('a.txt'))!.size, (await reads.stat('a.txt'))!.modifiedAt instanceof Date], ['hello', 5, true]);
    await disk.write('a.txt', 'hi');
    await disk.append('a.txt', ' there');
    same(await reads.readText('a.txt'), 'hi there');
    await disk.write('none', '');
    same((await reads.read('none'))!.length, 0);
  }],
  ['bytes go to their places', async () => {
    await disk.writeAt('sparse', 200_000, new Uint8Array([1, 2, 3]));
    await disk.writeAt('sparse', 65_535, new Uint8Array([9, 9]));
    const all = (await reads.read('sparse'))!;
    same([all.length, all[0], all[65_535], all[65_536], all[65_537], [...all.subarray(200_000)]], [200_003, 0, 9, 9, 0, [1, 2, 3]]);
    same([...(await reads.readAt('sparse', 199_999, 3))!], [0, 1, 2]);
  }],
  ['large files are written whole', async () => {
    const big = Uint8Array.from({ length: 5_000_001 }, (_, i) => (i * 7 + (i >> 9)) & 255);
    await disk.write('dir/big', big);
    same(Buffer.from((await reads.read('dir/big'))!).equals(Buffer.from(big)), true);
    await refused('failed', () => disk.write('dir/big', (async function* () {
      yield big;
      throw Object.assign(new Error('cut'), { code: 'failed' });
    })()));
    same([(await reads.stat('dir/big'))!.size, await names('dir')], [5_000_001, ['big']]);
  }],
  ['folders are there while something is in them', async () => {
    for (const p of ['f/a', 'f/a-b', 'f/sub/x', 'f/sub/y/z', 'f/z']) await disk.write(p, p);
    same([await names('f'), await names('f/sub')], [['a', 'a-b', 'sub/', 'z'], ['x', 'y/']]);
    same([(await reads.stat('f/sub'))!.dir, await reads.stat('f/none')], [true, undefined]);
    await refused('conflict', () => disk.write('f/a/below', 'x'));
    await refused('conflict', () => disk.write('f/sub', 'x'));
    same([await disk.remove('f/sub'), await disk.remove('f/sub', { all: true }), await names('f')], [0, 2, ['a', 'a-b', 'z']]);
  }],
  ['files and folders move', async () => {
    for (const p of ['m/a', 'm/b', 'm/in/c']) await disk.write(p, p);
    await disk.rename('m/a', 'm/b');
    same([await reads.readText('m/b'), await reads.read('m/a')], ['m/a', undefined]);
    await disk.rename('m', 'n');
    same([await names('n'), await reads.readText('n/in/c'), await names('m')], [['b', 'in/'], 'm/in/c', []]);
    await refused('not_found', () => disk.rename('m', 'o'));
    await refused('invalid', () => disk.rename('n', 'n/in/deeper'));
    await refused('conflict', () => disk.rename('n/b', 'n/in'));
  }],
  ['there is nothing above a volume', async () => {
    for (const p of ['', '/a', '../a', 'a/../../b', 'a//b', './a', 'a/', 'half \ud83d', 'nul\0']) await refused('invalid', () => disk.write(p, 'x'));
  }],
];
