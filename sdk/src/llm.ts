// The llm client. Keys, limits and dialects are the host's business.
import type * as api from '../dist/index';
import { AriaError } from './errors';
import { call } from './host';

class Client implements api.Llm {
  constructor(private readonly model: string) {}

  async chat(input: string | readonly api.LlmMessage[], opts: api.LlmChatOpts = {}): Promise<api.LlmReply> {
    const messages = typeof input === 'string' ? [{ role: 'user', text: input }] : [...input];
    if (opts.system !== undefined) messages.unshift({ role: 'system', text: opts.system });
    const tools = opts.tools?.map((t) => ({ name: t.name, description: t.description, schema: t.input ?? { type: 'object', properties: {} } }));
    const r = await call('llm.chat', {
      model: this.model, messages, tools, choice: opts.toolChoice === 'auto' ? undefined : opts.toolChoice,
      output: opts.schema, maxTokens: opts.maxTokens, temperature: opts.temperature,
    });
    const toolCalls = (r.toolCalls ?? []).map((c: any) => ({ id: c.id, name: c.name, input: parsed(c.arguments), arguments: c.arguments, signature: c.signature }));
    return { text: r.text, toolCalls, stop: r.stop, usage: r.usage };
  }

  async text(input: string | readonly api.LlmMessage[], opts?: api.LlmChatOpts): Promise<string> {
    const r = await this.chat(input, opts);
    if (r.stop === 'filter') throw new AriaError('failed', `${this.model} refuses to answer: ${r.text}`);
    if (r.stop === 'length') throw new AriaError('exhausted', `the answer of ${this.model} was cut at its bound`, { hint: 'raise maxTokens', retryable: false });
    return r.text;
  }

  async generate<T>(input: string | readonly api.LlmMessage[], opts: api.LlmGenerateOpts<T> = {}): Promise<T> {
    const { schema, check, ...rest } = opts;
    const messages: api.LlmMessage[] = typeof input === 'string' ? [{ role: 'user', text: input }] : [...input];
    if (schema === undefined) messages.push({ role: 'user', text: 'Answer with JSON and nothing else.' });
    let wrong = '';
    for (let round = 0; round < 2; round++) {
      const text = await this.text(messages, { ...rest, schema });
      try {
        return await accept(text, check);
      } catch (e) {
        wrong = (e as Error).message;
        messages.push({ role: 'assistant', text }, { role: 'user', text: `That does not fit: ${wrong}. Answer again, with the corrected JSON and nothing else.` });
      }
    }
    throw new AriaError('failed', `${this.model} twice gave an answer that does not fit: ${wrong}`);
  }

  embed(text: string): Promise<number[]>;
  embed(texts: readonly string[]): Promise<number[][]>;
  async embed(input: string | readonly string[]): Promise<number[] | number[][]> {
    const one = typeof input === 'string';
    if (!one && input.length === 0) return [];
    const r = await call('llm.embed', { model: this.model, input: one ? [input] : input });
    return one ? r.vectors[0] : r.vectors;
  }
}

// A function throws for what does not fit; a Standard Schema tells its issues.
async function accept<T>(text: string, check: api.LlmGenerateOpts<T>['check']): Promise<T> {
  const fence = /^```(?:json)?\s*([\s\S]*?)\s*```$/.exec(text.trim());
  const value = JSON.parse(fence ? fence[1]! : text);
  if (!check) return value;
  if (typeof check === 'function') return check(value);
  const got = await check['~standard'].validate(value);
  if (!got.issues) return got.value;
  throw new Error(got.issues.map((i) => i.message).join('; '));
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

export const llm: typeof api.llm = (model) => new Client(model);
