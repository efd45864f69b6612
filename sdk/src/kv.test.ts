import { beforeEach, describe, expect, test } from 'bun:test';
import { Conflict, kv, log } from './index';
import { memoryHost } from './testing';

interface Item { n: number }

const host = memoryHost();
beforeEach(() => host.reset());

describe('kv', () => {
  const box = kv<Item, 'rw'>('box', 'rw');

  test('set, get, delete', async () => {
    expect(await box.get('a')).toBeUndefined();
    expect(await box.getEntry('a')).toBeUndefined();
    const v = await box.set('a', { n: 1 });
    expect(await box.get('a')).toEqual({ n: 1 });
    expect(await box.getEntry('a')).toEqual({ key: 'a', value: { n: 1 }, version: v });
    expect(await box.delete('a')).toBe(true);
    expect(await box.delete('a')).toBe(false);
  });
  test('cas writes only over the version it knows', async () => {
    const v = await box.set('b', { n: 1 });
    expect(await box.cas('b', v, { n: 2 })).toBe(v + 1);
    expect(box.cas('b', v, { n: 3 })).rejects.toBeInstanceOf(Conflict);
    expect(box.cas('b', 0, { n: 3 })).rejects.toThrow('has version');
    expect(await box.get('b')).toEqual({ n: 2 });
  });
  test('versions are never used again', async () => {
    const v = await box.set('c', { n: 1 });
    await box.delete('c');
    expect(await box.set('c', { n: 2 })).toBeGreaterThan(v);
  });
  test('update begins again when somebody wrote in between', async () => {
    await box.set('d', { n: 1 });
    let rounds = 0;
    const got = await box.update('d', async (old) => {
      if (rounds++ === 0) await box.set('d', { n: 10 });
      return { n: old!.n + 1 };
    });
    expect([rounds, got]).toEqual([2, { n: 11 }]);
  });
  test('update gives up after 16 rounds', async () => {
    let n = 0;
    const busy = box.update('e', async () => (await box.set('e', { n: ++n }), { n: -1 }));
    expect(busy).rejects.toThrow('16 writers came between');
    await busy.catch(() => {});
    expect(n).toBe(16);
  });
  test('update deletes on undefined, and makes nothing of nothing', async () => {
    await box.set('f', { n: 1 });
    expect(await box.update('f', () => undefined)).toBeUndefined();
    expect(await box.get('f')).toBeUndefined();
    await box.update('g', () => undefined);
    expect(host.dump('box')).toEqual({});
  });
  test('an error in update leaves the value', async () => {
    await box.set('h', { n: 1 });
    expect(box.update('h', () => { throw new Error('rule'); })).rejects.toThrow('rule');
    expect(await box.get('h')).toEqual({ n: 1 });
  });
  test('list pages through everything in order, with prefix and limit', async () => {
    for (let i = 0; i < 450; i++) await box.set(`k${String(i).padStart(3, '0')}`, { n: i });
    await box.set('other', { n: 0 });
    expect((await box.entries('k')).map((e) => e.value.n)).toEqual(Array.from({ length: 450 }, (_, i) => i));
    const some: string[] = [];
    for await (const e of box.list({ prefix: 'k1', limit: 3 })) some.push(e.key);
    expect(some).toEqual(['k100', 'k101', 'k102']);
  });
  test('ttl', async () => {
    await box.set('t', { n: 1 }, { ttl: '20ms' });
    expect(await box.get('t')).toEqual({ n: 1 });
    await Bun.sleep(30);
    expect(await box.get('t')).toBeUndefined();
    expect(box.set('t', { n: 1 }, { ttl: 'soon' as any })).rejects.toThrow('"soon" is not a span of time');
  });
  test.each([
    ['a Date', { when: new Date() }, 'at /when: a Date cannot be stored as JSON'],
    ['a Map', { m: [new Map()] }, 'at /m/0: a Map cannot be stored as JSON'],
    ['a function', { f() {} }, 'at /f: a function cannot be stored'],
    ['a bigint', 1n, 'a bigint cannot be stored'],
    ['NaN', { n: NaN }, 'at /n: NaN is not JSON'],
    ['undefined', undefined, 'undefined cannot be stored'],
  ])('%s is refused before it is lost', async (_, value, text) => {
    expect(kv<any>('box', 'rw').set('x', value)).rejects.toThrow(text);
    expect(host.dump('box')).toEqual({});
  });
  test('keys have limits', async () => {
    expect(box.set('', { n: 1 })).rejects.toThrow('1 to 512 bytes');
    expect(box.get('ü'.repeat(257))).rejects.toMatchObject({ name: 'AriaError', code: 'invalid' });
  });
  test('a read handle has no writing methods, even behind a cast', async () => {
    const r = kv<Item>('box') as any;
    await box.set('a', { n: 1 });
    expect(await r.get('a')).toEqual({ n: 1 });
    expect(r.set).toBeUndefined();
  });
  test('an error from the host has the stack of the caller', async () => {
    try {
      await box.cas('z', 5, { n: 1 });
      expect.unreachable();
    } catch (e: any) {
      expect(e.stack).toContain('kv.test.ts');
      expect(e).toMatchObject({ code: 'conflict', retryable: true });
    }
  });
});

test('log collects', () => {
  log.info('a', { n: 1 });
  log.error('b');
  expect(host.logs).toEqual([{ level: 'info', text: 'a', fields: { n: 1 } }, { level: 'error', text: 'b' }]);
});

test('without a host the error says what to do', async () => {
  const key = Symbol.for('aria.host');
  const held = (globalThis as any)[key];
  delete (globalThis as any)[key];
  const box = kv<Item>('box'); // making a handle has no effect
  const e = await box.get('a').catch((e) => e);
  (globalThis as any)[key] = held;
  expect(e.message).toBe('kv.get needs a host, and there is none in this process');
  expect(e.hint).toContain('memoryHost()');
});

test('half a character is refused, as key, prefix and value', async () => {
  memoryHost();
  const half = 'a\ud800';
  const box = kv<unknown>('half', 'rw');
  for (const wrong of [
    () => box.get(half), () => box.set(half, 1), () => box.delete(half), () => box.cas(half, 0, 1), () => box.entries(half),
    () => box.set('k', half), () => box.set('k', { deep: [half] }), () => box.set('k', { [half]: 1 }),
  ]) {
    expect(wrong()).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining('half a character') });
  }
  await box.set('\u{1f600}', '\u{1f600}');
  expect(await box.get('\u{1f600}')).toBe('\u{1f600}');
});
