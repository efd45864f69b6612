import { vector } from '../index';
import { refused, same, type Case } from './suite';

interface Meta { lang: string; year: number; tags?: string[]; draft?: boolean | null }

const docs = vector<Meta, 'rw'>('conf/docs', 'rw', { dims: 4 });
const reads = vector<Meta>('conf/docs', 's');
const texts = vector<{ n: number }, 'rw'>('conf/texts', 'rw');

export const tokens = ['vector:conf:rw'];

const ids = (hits: { id: string }[]) => hits.map((h) => h.id);

export const cases: Case[] = [
  ['nothing is found where nothing is', async () => {
    same(await docs.query({ vector: [1, 0, 0, 0] }), []);
    same([await docs.count(), await docs.get('a')], [0, undefined]);
  }],
  ['the nearest come first, by the angle', async () => {
    await docs.upsert([
      { id: 'a', vector: [1, 0, 0, 0], meta: { lang: 'en', year: 2020, tags: ['x'] } },
      { id: 'b', vector: [5, 5, 0, 0], meta: { lang: 'en', year: 2024, tags: ['x', 'y'], draft: true } },
      { id: 'c', vector: [0, 1, 0, 0], meta: { lang: 'de', year: 2022, draft: null } },
      { id: 'd', vector: [0, 0, 0, -1], meta: { lang: 'de', year: 2025 } },
    ]);
    const hits = await docs.query({ vector: [2, 0, 0, 0], k: 3 });
    same(ids(hits).slice(0, 2), ['a', 'b']);
    same(hits.slice(0, 2).map((h) => Math.round(h.score * 1000)), [1000, 707]);
    same(hits[0]!.meta, { lang: 'en', year: 2020, tags: ['x'] });
    same(ids(await reads.query({ vector: [2, 0, 0, 0], min: 0.5 })), ['a', 'b']);
    same(await docs.count(), 4);
  }],
  ['filters', async () => {
    const find = async (where: any) => ids(await docs.query({ vector: [1, 1, 1, -1], where, min: -1 })).sort().join('');
    same(await find({ lang: 'en' }), 'ab');
    same(await find({ lang: ['en', 'de'], year: { gte: 2022, lt: 2025 } }), 'bc');
    same(await find({ tags: 'y' }), 'b');
    same(await find({ tags: { in: ['x', 'z'] } }), 'ab');
    same(await find({ $or: [{ lang: 'de' }, { year: 2020 }] }), 'acd');
    same(await find({ $and: [{ lang: 'de' }, { $not: { year: { gt: 2022 } } }] }), 'c');
    same(await find({ lang: { gt: 'df' } }), 'ab');
    same(await find({ lang: { ne: 'en' }, tags: { exists: false } }), 'cd');
    same(await find({ draft: null }), 'c');
    same(await find({ draft: { exists: true } }), 'bc');
    same(await find({ nothing: 1 }), '');
    same(await find({ tags: { nin: ['y'] } }), 'acd');
    await refused('invalid', () => find({ lang: { like: 'e' } }));
    await refused('invalid', () => find({ $xor: [] }));
  }],
  ['what is written is found at once, what is deleted no more', async () => {
    await docs.upsert({ id: 'a', vector: [0, 0, 1, 0], meta: { lang: 'fr', year: 1999 } });
    same(ids(await docs.query({ vector: [0, 0, 1, 0], k: 1, where: { lang: 'fr' } })), ['a']);
    same([...(await docs.get('a'))!.vector], [0, 0, 1, 0]);
    same(await docs.delete(['a', 'nobody']), 1);
    same(ids(await docs.query({ vector: [0, 0, 1, 0], where: { lang: 'fr' } })), []);
    same(await docs.count(), 3);
  }],
  ['vectors that do not fit are refused', async () => {
    await refused('invalid', () => docs.upsert({ id: 'x', vector: [1, 2, 3] }));
    await refused('invalid', () => docs.upsert({ id: 'x', vector: [0, 0, 0, 0] }));
    await refused('invalid', () => docs.upsert({ id: '', vector: [1, 2, 3, 4] }));
    await refused('invalid', () => docs.query({ vector: [1, 2] }));
    await refused('invalid', () => docs.query({ k: 1000, vector: [1, 0, 0, 0] }));
    await refused('invalid', () => docs.upsert([{ id: 'y', vector: [1, 2, 3, 4] }, { id: 'z', vector: [1] }]));
    same(await docs.get('y'), undefined, 'half of a batch');
  }],
  ['texts are found by what they say', async () => {
    await texts.upsert([
      { id: 'tea', text: 'How to brew a cup of green tea', meta: { n: 1 } },
      { id: 'car', text: 'Changing the oil of a car engine', meta: { n: 2 } },
      { id: 'tax', text: 'Filing your income tax return', meta: { n: 3 } },
    ]);
    const [best] = await texts.query('brew green tea');
    same([best!.id, best!.text], ['tea', 'How to brew a cup of green tea']);
    same(ids(await texts.query({ text: 'the engine of a car', k: 1 })), ['car']);
    same(Math.round((await texts.query('Filing your income tax return'))[0]!.score * 100), 100);
    await refused('invalid', () => texts.query(''));
    await refused('invalid', () => texts.upsert({ id: 'v', vector: [1, 2, 3] }));
  }],
];
