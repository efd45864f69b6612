import { expect, test } from 'bun:test';
import { Agent, agent, AriaError, pipeline, Pipeline, step, team, Team, TerminalError, tool, use } from './index';
import { memoryHost } from './testing';

class Box {
  @tool({ timeout: '1s' }) async one(n: number): Promise<number> { return n + 1; }
}

@agent({ model: 'local:planner', tools: [Box] })
class Ask extends Agent { instructions = 'x'; }

@team({ members: [Ask] })
class Crew extends Team {}

@pipeline()
class Flow extends Pipeline<number, number> {
  box = use(Box);
  @step() async first(n: number): Promise<number> { return this.box.one(n); }
  @step({ after: 'first' }) async second(n: number): Promise<number> { return this.box.one(n); }
}

test('decorated classes stay plain classes', async () => {
  memoryHost();
  expect(await new Box().one(1)).toBe(2);
  const f = new Flow();
  expect(await f.second(await f.first(1))).toBe(3);
  expect(new Ask().instructions).toBe('x');
  expect(new Crew()).toBeInstanceOf(Team);
});

test('tool.fn gives the function back', async () => {
  const f = async (n: number) => n;
  expect(tool.fn(f, { retries: 1 })).toBe(f);
});

test('legacy decorators are told apart', () => {
  expect(() => (tool() as any)({}, 'get', {})).toThrow('remove "experimentalDecorators" from tsconfig.json');
  expect(() => (agent({ model: 'a:b' }) as any)(class {})).toThrow('@agent is a standard decorator');
});

test('a decorator in the wrong place, or without parentheses', () => {
  expect(() => (tool() as any)(class {}, { kind: 'class', name: 'Box' })).toThrow('@tool belongs on a method, and "Box" is a class');
  expect(() => (tool as any)(() => {}, { kind: 'method', name: 'x' })).toThrow('write @tool() with parentheses');
});

test('use refuses where other units cannot be reached', async () => {
  const key = Symbol.for('aria.host');
  const held = (globalThis as any)[key];
  (globalThis as any)[key] = { call() {}, log() {} };
  const e = await use(Box).one(1).catch((e: unknown) => e as AriaError);
  (globalThis as any)[key] = held;
  expect(e).toMatchObject({ code: 'unimplemented', message: 'this build cannot reach Box from inside a unit' });
});

test('errors', () => {
  expect(new TerminalError('no')).toMatchObject({ name: 'TerminalError', code: 'failed', retryable: false });
  expect(new AriaError('unavailable', 'x', { hint: 'h' })).toMatchObject({ retryable: true, hint: 'h' });
  expect(new AriaError('denied', 'x').retryable).toBe(false);
  expect(new AriaError('denied', 'x', { cause: 1 }).cause).toBe(1);
});
