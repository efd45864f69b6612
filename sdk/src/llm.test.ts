import { beforeEach, expect, test } from 'bun:test';
import { AriaError, llm } from './index';
import { memoryHost } from './testing';

const host = memoryHost();
beforeEach(() => host.reset());

test('a question, and what the host is asked', async () => {
  const asked: any[] = [];
  host.llm = (r) => { asked.push(r); return 'blue'; };
  expect(await llm('openai:m').text('which colour?', { system: 'be brief', maxTokens: 5 })).toBe('blue');
  expect(asked).toEqual([{ model: 'openai:m', maxTokens: 5, messages: [{ role: 'system', text: 'be brief' }, { role: 'user', text: 'which colour?' }] }]);
});

test('tool calls come back parsed, and go back with their results', async () => {
  host.llm = (r) => r.messages.at(-1)!.role === 'tool' ? `it is ${r.messages.at(-1)!.text}`
    : { text: '', stop: 'tools', toolCalls: [{ id: 'c1', name: 'get', arguments: '{"id":"A-17"}' }, { id: 'c2', name: 'get', arguments: 'nonsense' }] };
  const m = llm('openai:m');
  const r = await m.chat('?', { tools: [{ name: 'get', input: { type: 'object' } }] });
  expect(r.toolCalls.map((c) => c.input)).toEqual([{ id: 'A-17' }, undefined]);
  const end = await m.chat([{ role: 'user', text: '?' }, { role: 'assistant', toolCalls: r.toolCalls.slice(0, 1) }, { role: 'tool', callId: 'c1', tool: 'get', text: 'here' }]);
  expect(end.text).toBe('it is here');
});

test('generate parses, checks, and lets the model try once more', async () => {
  const answers = ['```json\n{"n":"one"}\n```', '{"n":1}'];
  host.llm = () => answers.shift()!;
  const check = (v: any) => { if (typeof v.n !== 'number') throw new Error('/n: expected a number'); return v as { n: number }; };
  expect((await llm('openai:m').generate('?', { check })).n).toBe(1);
  host.llm = () => 'no JSON at all';
  expect(llm('openai:m').generate('?')).rejects.toThrow('twice gave an answer that does not fit');
});

test('generate takes a Standard Schema', async () => {
  host.llm = () => '"x"';
  const check = { '~standard': { version: 1 as const, vendor: 't', validate: (v: unknown) => typeof v === 'number' ? { value: v } : { issues: [{ message: 'not a number' }] } } };
  expect(llm('openai:m').generate('?', { check })).rejects.toThrow('not a number');
});

test('a cut or refused answer is an error of text()', async () => {
  host.llm = () => ({ text: 'and then', stop: 'length' });
  expect(llm('openai:m').text('?')).rejects.toThrow('cut at its bound');
  host.llm = () => ({ text: 'I will not', stop: 'filter' });
  expect(llm('openai:m').text('?')).rejects.toThrow('refuses to answer: I will not');
});

test('embeddings: one, many and none', async () => {
  const m = llm('local:embed');
  const [a, b] = await m.embed(['two words', 'other words']);
  expect(a).toEqual(await m.embed('two words'));
  expect(a).not.toEqual(b!);
  expect(await m.embed([])).toEqual([]);
});

test('without an answer to give, the host in memory says so', async () => {
  const e = await llm('openai:m').text('?').catch((e) => e);
  expect(e).toBeInstanceOf(AriaError);
  expect(e.hint).toContain('host.llm');
});
