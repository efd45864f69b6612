import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { body, execute } from './peer';

const host = `globalThis[Symbol.for('aria.host')]`;

describe('a unit runs', () => {
  test('method with positional arguments', async () => {
    const o = await execute({ code: body('return args[0] + args[1]'), args: [40, 2] });
    expect(o.frames).toEqual([{ t: 'result', value: 42 }]);
    expect(o.exit).toBe(0);
  });
  test('function export', async () => {
    const o = await execute({ code: 'export const hello = async (n) => "hi " + n', export: 'hello', args: ['bo'] });
    expect(o.end).toEqual({ t: 'result', value: 'hi bo' });
  });
  test('undefined is null', async () => {
    expect((await execute({ code: body('') })).end).toEqual({ t: 'result', value: null });
  });
  test('chunks resolve, also from a folder and by import()', async () => {
    const o = await execute({
      code: {
        'code/a/unit.js': `import {x} from '../chunk-1.js'; export class Unit { async run() { return x + (await import('./late.js')).y } }`,
        'code/chunk-1.js': `import {z} from './chunk-2.js'; export const x = z + 1`,
        'code/chunk-2.js': 'export const z = 1',
        'code/a/late.js': 'export const y = 40',
      },
    });
    expect(o.end).toEqual({ t: 'result', value: 42 });
  });
  test('top-level await in a chunk', async () => {
    const o = await execute({
      code: { 'code/u.js': `import {x} from './c.js'; export class Unit { async run() { return x } }`, 'code/c.js': 'export const x = await Promise.resolve(7)' },
    });
    expect(o.end).toEqual({ t: 'result', value: 7 });
  });
  test('code marked as needing no transpiler: chunks, import(), top-level await, places', async () => {
    const o = await execute({
      code: {
        'code/u.js': `// @bun\nimport {x} from './c.js';\nexport class Unit {\n  async run() {\n    if ((await import('./d.js')).y + x === 42) throw new Error('here');\n  }\n}`,
        'code/c.js': '// @bun\nexport const x = await Promise.resolve(40)',
        'code/d.js': '// @bun\nexport const y = 2',
      },
    });
    expect(o.end.error.message).toBe('here');
    expect(o.end.error.stack).toContain('code/u.js:5:');
  });
  test('runtime modules', async () => {
    const o = await execute({ code: `import fs from 'node:fs'; import {join} from 'node:path'; export class Unit { async run() { return [typeof fs.readFileSync, join('a','b')] } }` });
    expect(o.end.value).toEqual(['function', 'a/b']);
  });
  test('console goes to stdout and stderr, complete', async () => {
    const o = await execute({ code: body(`console.log('x'.repeat(300000)); console.error('bad'); return 1`) });
    expect(o.stdout.length).toBe(300001);
    expect(o.stderr).toBe('bad\n');
    expect(o.end.value).toBe(1);
  });
  test('3 MiB in, 3 MiB out', async () => {
    const o = await execute({ code: body('return args[0]'), args: ['é'.repeat(1_500_000)] });
    expect(o.end.value.length).toBe(1_500_000);
  });
});

describe('values', () => {
  test('rich arguments are revived', async () => {
    const o = await execute({
      code: body(`const [a, b] = args; return [a.when instanceof Date, typeof a.n, a.list.map(x => x.d.getTime()), b instanceof Uint8Array && b.length, a.m instanceof Map && a.m.get('k').getTime(), a.s instanceof Set, a.u instanceof URL, a.none]`),
      args: [{ when: '2026-01-02T03:04:05.000Z', n: '9007199254740993', list: [{ d: '1970-01-01T00:00:00.001Z' }, {}, { d: '1970-01-01T00:00:00.002Z' }].filter((x) => x.d), m: { k: '1970-01-01T00:00:00.003Z' }, s: [1], u: 'https://a.b/', none: null }, 'AQID'],
      revive: [
        { arg: 0, path: '/when', type: 'date' }, { arg: 0, path: '/n', type: 'bigint' }, { arg: 0, path: '/list/*/d', type: 'date' },
        { arg: 1, path: '', type: 'bytes' }, { arg: 0, path: '/m', type: 'map' }, { arg: 0, path: '/m/*', type: 'date' },
        { arg: 0, path: '/s', type: 'set' }, { arg: 0, path: '/u', type: 'url' }, { arg: 0, path: '/none', type: 'date' }, { arg: 0, path: '/absent', type: 'date' },
      ],
    });
    expect(o.end.value).toEqual([true, 'bigint', [1, 2], 3, 3, true, true, null]);
  });
  test('rich results', async () => {
    const o = await execute({ code: body(`return {d: new Date(5), b: 2n**70n, u: new URL('https://x.y/z'), s: new Set([1]), m: new Map([['a', 1n]]), p: new Map([[1, 'x']]), y: new Uint8Array([1,2,3]), skip: undefined, '__proto__x': 1}`) });
    expect(o.end.value).toEqual({ d: '1970-01-01T00:00:00.005Z', b: '1180591620717411303424', u: 'https://x.y/z', s: [1], m: { a: '1' }, p: [[1, 'x']], y: 'AQID', __proto__x: 1 });
  });
  test.each([
    ['a function', 'return {a: [1, () => 1]}', 'the result at /a/1 cannot be returned: a function cannot cross'],
    ['a cycle', 'const o = {}; o.me = {o}; return o', 'the result at /me/o cannot be returned: the value contains itself'],
    ['NaN', 'return NaN', 'the result cannot be returned: NaN is not a JSON number'],
    ['a forgotten await', 'return {x: Promise.resolve(1)}', 'the result at /x cannot be returned: it is a promise: an "await" is missing'],
    ['a bad date', 'return [new Date(NaN)]', 'the result at /0 cannot be returned: the Date is invalid'],
  ])('%s is refused by path', async (_, text, message) => {
    const o = await execute({ code: body(text) });
    expect(o.end).toMatchObject({ t: 'error', error: { message, code: 'failed', retryable: false } });
    expect(o.exit).toBe(0);
  });
  test('too long a result', async () => {
    const o = await execute({ code: body(`return 'x'.repeat(5 << 20)`) });
    expect(o.frames.length).toBe(1);
    expect(o.end.error).toMatchObject({ code: 'exhausted', message: 'the result is longer than 4 MiB of JSON' });
  });
});

describe('schemas that are values', () => {
  const unit = (input: string, output = '') => `const std = (validate) => ({'~standard': {version: 1, vendor: 'x', validate}});
    export class Unit { async run(i) { return i; } }
    Object.defineProperty(Unit.prototype.run, Symbol.for('aria.schemas'), {value: {input: ${input}, output: ${output || 'undefined'}}});`;
  test('transform the input and the output', async () => {
    const o = await execute({ code: unit('std((v) => ({value: v.n * 2}))', 'std(async (v) => ({value: {v}}))'), args: [{ n: 4 }] });
    expect(o.end).toEqual({ t: 'result', value: { v: 8 } });
  });
  test('refuse with the paths', async () => {
    const o = await execute({ code: unit(`std(() => ({issues: [{message: 'too small', path: ['a', {key: 0}]}, {message: 'odd'}]}))`), args: [{}] });
    expect(o.end).toMatchObject({ t: 'error', error: { code: 'invalid', message: 'input /a/0: too small; odd', retryable: false } });
  });
  test('an output that breaks its own schema is the unit’s failure', async () => {
    const o = await execute({ code: unit('undefined', `std(() => ({issues: [{message: 'no'}]}))`), args: [1] });
    expect(o.end).toMatchObject({ t: 'error', error: { code: 'failed', message: 'output no' } });
  });
});

describe('errors', () => {
  test('name, message, stack in the files of the bundle, causes', async () => {
    const o = await execute({
      code: { 'code/u.js': `import {deep} from './c.js';\nexport class Unit {\n  async run() {\n    await deep();\n  }\n}`, 'code/c.js': `export async function deep() {\n  await 1;\n  throw new RangeError('no', {cause: new Error('why')});\n}` },
    });
    const e = o.end.error;
    expect(e).toMatchObject({ name: 'RangeError', message: 'no', retryable: true });
    expect(e.stack).toContain('code/c.js:3:');
    expect(e.stack).toContain('code/u.js:4:');
    expect(e.stack).toContain('caused by: Error: why');
    expect(e.stack).not.toContain('/tmp/unit');
    expect(e.stack).not.toContain('harness.js');
  });
  test('code, hint and retryable of an error cross', async () => {
    const o = await execute({ code: body(`throw Object.assign(new Error('no'), {code: 'denied', hint: 'ask', retryable: false})`) });
    expect(o.end.error).toMatchObject({ code: 'denied', hint: 'ask', retryable: false });
  });
  test.each([
    ['a thrown string', body(`throw 'plain'`), 'a string was thrown: plain'],
    ['nothing', body('throw null'), 'null was thrown'],
    ['a thrown object', body('throw {a: 1}'), 'an object was thrown: {"a":1}'],
    ['an error that throws when read', body(`throw {get message() { throw new Error('m') }}`), 'something was thrown that cannot be read'],
    ['a proxy that throws', body(`throw new Proxy({}, {get() { throw new Error('p') }})`), 'something was thrown that cannot be read'],
    ['an error in the module', `throw new Error('at import'); export class Unit {}`, 'at import'],
    ['an error in the constructor', `export class Unit { constructor() { throw new Error('in new') } }`, 'in new'],
    ['an error in a timer', body(`setTimeout(() => { throw new Error('later') }, 1); await new Promise(() => {})`), 'later'],
    ['a rejection nobody handles', body(`Promise.reject(new Error('lost')); await new Promise(r => setTimeout(r, 50))`), 'lost'],
    ['process.exit', body('process.exit(3)'), 'the unit called process.exit(3)'],
    ['a wait without end', body('await new Promise(() => {})'), 'the unit waits for something that can never come'],
    ['no such export', 'export class Other {}', 'code/unit.js exports no class or function "Unit"'],
    ['no such method', 'export class Unit {}', '"Unit" has no method "run"'],
  ])('%s', async (_, code, message) => {
    const o = await execute({ code });
    expect(o.frames.map((f) => f.t)).toEqual(['error']);
    expect(o.end.error.message).toBe(message);
    expect(o.exit).toBe(0);
  });
  test('a syntax error names the file', async () => {
    const o = await execute({ code: 'export class Unit {' });
    expect(o.end.t).toBe('error');
    expect(JSON.stringify(o.end.error)).toContain('code/unit.js');
  });
});

describe('calls and logs', () => {
  test('calls run beside each other, ids rise, answers in any order', async () => {
    const o = await execute(
      { code: body(`return Promise.all([3, 1, 2].map(n => ${host}.call('kv.get', {n})))`) },
      async (_, a) => (await Bun.sleep(a.n * 10), a.n * 10),
    );
    expect(o.frames.filter((f) => f.t === 'call').map((f) => f.id)).toEqual([1, 2, 3]);
    expect(o.end.value).toEqual([30, 10, 20]);
  });
  test('a refusal rejects with its code', async () => {
    const o = await execute({ code: body(`try { await ${host}.call('kv.get', {}) } catch (e) { return e }`) }, () => { throw { code: 'denied', message: 'no', hint: 'h' }; });
    expect(o.end.value).toEqual({ code: 'denied', message: 'no', hint: 'h' });
  });
  test('3,000 calls at once: no more than 64 are open, and all are answered', async () => {
    let open = 0, most = 0;
    const o = await execute(
      { code: body(`const r = await Promise.all(Array.from({length: 3000}, (_, i) => ${host}.call('kv.get', {i}))); return r.every((x, i) => x === i)`) },
      async (_, a) => { most = Math.max(most, ++open); await Bun.sleep(1); open--; return a.i; },
    );
    expect(o.end).toEqual({ t: 'result', value: true });
    expect(most).toBeLessThanOrEqual(64);
  });
  test('the arguments are those of the moment of the call', async () => {
    const o = await execute({ code: body(`const a = {n: 0}; const all = []; for (; a.n < 200; a.n++) all.push(${host}.call('kv.get', a)); return Promise.all(all)`) }, (_, a) => a.n);
    expect(o.end.value).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });
  test('timers run while an answer is awaited', async () => {
    const o = await execute({ code: body(`let n = 0; setInterval(() => n++, 5); await ${host}.call('kv.get', {}); return n > 3`) }, () => Bun.sleep(80));
    expect(o.end.value).toBe(true);
  });
  test('1,000 calls one after the other', async () => {
    const o = await execute({ code: body(`let s = 0; for (let i = 0; i < 1000; i++) s += await ${host}.call('kv.get', {i}); return s`) }, (_, a) => a.i);
    expect(o.end.value).toBe(499500);
  });
  test('big answers arrive whole', async () => {
    const o = await execute({ code: body(`const r = await Promise.all([1,2,3].map(() => ${host}.call('kv.get', {}))); return r.map(x => x.length)`) }, () => 'ü'.repeat(1 << 20));
    expect(o.end.value).toEqual([1 << 20, 1 << 20, 1 << 20]);
  });
  test('too long a call is refused inside', async () => {
    const o = await execute({ code: body(`try { await ${host}.call('kv.put', {v: 'x'.repeat(5<<20)}) } catch (e) { return e.code }`) });
    expect(o.frames).toEqual([{ t: 'result', value: 'exhausted' }]);
  });
  test('logs keep their order and never throw', async () => {
    const o = await execute({ code: body(`const h = ${host}; h.log('info', 'a', {n: 1n}); h.log('warn', 'b', {f() {}}); h.log('debug', 'c'); return 0`) });
    expect(o.frames.map((f) => f.t)).toEqual(['log', 'log', 'log', 'result']);
    expect(o.frames[0]).toEqual({ t: 'log', level: 'info', text: 'a', fields: { n: '1' } });
    expect(o.frames[1].text).toBe('b (fields left out: a function cannot cross)');
  });
});

describe('taken up again, a unit does the same', () => {
  const start = { clock: 1_700_000_000_000, seed: 'ab'.repeat(32) };
  test('clock and chance follow from the run', async () => {
    const code = body(`const b = crypto.getRandomValues(new Uint8Array(9));
      return [Date.now(), new Date().toISOString(), new Date(5).getTime(), new Date() instanceof Date, Math.random(), crypto.randomUUID(), [...b].join()]`);
    const one = await execute({ code, start });
    expect(one.end.value.slice(0, 4)).toEqual([1_700_000_000_000, '2023-11-14T22:13:20.000Z', 5, true]);
    expect((await execute({ code, start })).end.value).toEqual(one.end.value);
    expect((await execute({ code, start: { ...start, seed: 'ac'.repeat(32) } })).end.value[4]).not.toBe(one.end.value[4]);
    expect(one.end.value[5]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
  test('in a container that was parked too, and without a run the machine’s own', async () => {
    const code = body(`return [Date.now(), new Date().getTime(), Math.random(), crypto.randomUUID(), Object.hasOwn(crypto, 'randomUUID'), new Date().constructor === Date]`);
    const want = (await execute({ code, start })).end.value;
    expect((await execute({ code, start, parked: true })).end.value).toEqual(want);
    const began = Date.now();
    const a = (await execute({ code, parked: true })).end.value;
    const b = (await execute({ code, parked: true })).end.value;
    expect(a[0]).toBeGreaterThanOrEqual(began);
    expect([a[2] !== b[2], a[3] !== b[3], a[4], a[5]]).toEqual([true, true, false, true]);
  });
  test('code that was loaded before its run was known', async () => {
    const code = body(`return [Date.now(), new Date().getTime(), Math.random(), crypto.randomUUID(), await new Promise((r) => setTimeout(() => r(1), 5)), Date.now()]`);
    const kept = `const { now } = Date, { random } = Math, later = setTimeout; let loads = 0; loads++;\n` + body(`return [now(), random(), await new Promise((r) => later(() => r(now()), 7)), loads]`);
    for (const c of [code, kept]) {
      const want = (await execute({ code: c, start })).end.value;
      expect(want[0]).toBe(start.clock);
      expect((await execute({ code: c, start, parked: 'load' })).end.value).toEqual(want);
    }
    const began = Date.now();
    expect((await execute({ code: kept, parked: 'load' })).end.value[0]).toBeGreaterThanOrEqual(began);
  });
  test.each([
    ['the clock', 'Date.now();'], ['a date', 'globalThis.d = new Date();'], ['chance', 'Math.random();'], ['a timer', 'setTimeout(() => {}, 1);'],
    ['a wait for ever', 'await new Promise(() => {});'], ['an error', 'throw new Error("no");'], ['a rejection', 'Promise.reject(1);'],
    ['an exit', 'process.exit(0);'], ['a question', `await ${host}.call('kv.get', {});`], ['a log entry', `${host}.log('info', 'x');`],
  ])('code whose top level needs %s is not fit to be loaded before', async (_, text) => {
    const o = await execute({ code: text + '\n' + body('return 1'), parked: 'load' });
    expect(o.frames).toEqual([]);
    expect(o.exit === 3 || text.includes('exit')).toBe(true);
  });
  test('the clock moves with timers, and a loop that waits for it ends', async () => {
    const o = await execute({ code: body(`const t = Date.now(); await new Promise((r) => setTimeout(r, 30)); const d = Date.now() - t; while (Date.now() < t + 50); return d`), start });
    expect(o.end.value).toBe(30);
  });
  test('what follows from one answer is done before the next is known', async () => {
    const code = body(`const call = (k) => ${host}.call('kv.get', {k});
      const a = (async () => { await call('a'); for (let i = 0; i < 20; i++) await null; await call('a2'); })();
      const b = (async () => { await call('b'); await call('b2'); })();
      await Promise.all([a, b])`);
    // Both answers in one piece.
    let held: (() => void)[] = [];
    const o = await execute({ code, start }, () => new Promise((r) => { held.push(() => r(null)); if (held.length === 2 || held.length > 2) { const all = held; held = []; all.forEach((f) => f()); } if (held.length === 0) return; }));
    expect(o.frames.filter((f) => f.t === 'call').map((f) => f.args.k)).toEqual(['a', 'b', 'a2', 'b2']);
  });
});

describe('with the SDK, as a bundle holds it', () => {
  const sdk = readFileSync(path.join(import.meta.dir, '../../dist/index.js'), 'utf8');
  const code = (text: string) => ({
    'code/unit.js': `import { kv, log, TerminalError, use } from './chunk-sdk.js';\nexport class Unit {\n  box = kv('box', 'rw');\n  async run(...args) {\n${text}\n  }\n}`,
    'code/chunk-sdk.js': sdk,
  });

  test('kv and log speak the protocol', async () => {
    const o = await execute({ code: code(`await this.box.set('a', {n: 1}); log.info('done', {v: 1}); return this.box.get('a')`) }, (op) =>
      op === 'kv.put' ? { version: 1 } : { value: { n: 1 }, version: 1 },
    );
    expect(o.frames).toEqual([
      { t: 'call', id: 1, op: 'kv.put', args: { ns: 'box', key: 'a', value: { n: 1 } } },
      { t: 'log', level: 'info', text: 'done', fields: { v: 1 } },
      { t: 'call', id: 2, op: 'kv.get', args: { ns: 'box', key: 'a' } },
      { t: 'result', value: { n: 1 } },
    ]);
  });
  test('a refusal reaches the caller with code, hint and the place of the call', async () => {
    const o = await execute({ code: code(`await this.box.get('a')`) }, () => { throw { code: 'denied', message: 'no token', hint: 'declare it' }; });
    expect(o.end.error).toMatchObject({ name: 'AriaError', code: 'denied', message: 'no token', hint: 'declare it', retryable: false });
    expect(o.end.error.stack).toContain('code/unit.js:5:');
  });
  test('TerminalError is not retried', async () => {
    const o = await execute({ code: code(`throw new TerminalError('closed', {hint: 'open it'})`) });
    expect(o.end.error).toMatchObject({ name: 'TerminalError', code: 'failed', hint: 'open it', retryable: false });
  });
  test('use asks for the method of the class', async () => {
    const o = await execute({ code: code(`class Other {}; const [op, a] = await use(Other).go(new Date(0)); return [op, a.class, a.method, a.args[0] instanceof Date, a.args]`) }, (op, args) => ({
      value: [op, args], revive: [{ arg: 0, path: '/1/args/0', type: 'date' }],
    }));
    expect(o.end.value).toEqual(['run.call', 'Other', 'go', true, ['1970-01-01T00:00:00.000Z']]);
  });
});
