// What a unit could do with other people's model clients, unmodified: the base
// URLs come from the environment, as in a container, and the keys are none. It
// prints one JSON object; the test beside the gateway says what must be in it.
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';

const out: Record<string, unknown> = {};

async function attempt(name: string, run: () => Promise<unknown>): Promise<void> {
  try {
    out[name] = await run();
  } catch (e: any) {
    out[name] = { status: e.status, error: String(e.message) };
  }
}

const openai = new OpenAI();
const anthropic = new Anthropic();
const google = new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: process.env.GOOGLE_GEMINI_BASE_URL } });
const messages = [{ role: 'user' as const, content: 'where is A-17?' }];
const parameters = { type: 'object', properties: { id: { type: 'string' } }, required: ['id'], additionalProperties: false };

await attempt('chat', async () => (await openai.chat.completions.create({ model: 'm', messages })).choices[0]!.message.content);

await attempt('chatStream', async () => {
  let text = '';
  for await (const c of await openai.chat.completions.create({ model: 'm', messages, stream: true })) text += c.choices[0]!.delta.content ?? '';
  return text;
});

await attempt('chatTools', async () => {
  const runner = openai.chat.completions.runTools({
    model: 'm',
    messages,
    tools: [{ type: 'function', function: { name: 'orders_get', parameters, parse: JSON.parse, function: (a: any) => `order ${a.id} has shipped` } }],
  });
  return await runner.finalContent();
});

await attempt('responses', async () => (await openai.responses.create({ model: 'm', input: 'hello' })).output_text);

await attempt('responsesStream', async () => {
  let text = '';
  for await (const e of await openai.responses.create({ model: 'm', input: 'hello', stream: true })) {
    if (e.type === 'response.output_text.delta') text += e.delta;
  }
  return text;
});

await attempt('embeddings', async () => {
  const r = await openai.embeddings.create({ model: 'm', input: ['two words', 'x'], encoding_format: 'float' });
  return r.data.map((d) => d.embedding);
});

await attempt('models', async () => {
  const ids: string[] = [];
  for await (const m of openai.models.list()) ids.push(m.id);
  return ids;
});

await attempt('denied', () => openai.chat.completions.create({ model: 'gpt-4o', messages }));

await attempt('messages', async () => {
  const m = await anthropic.messages.create({ model: 'm', max_tokens: 50, messages });
  return m.content.map((b) => (b.type === 'text' ? b.text : b.type)).join('');
});

await attempt('messagesStream', async () => {
  const s = anthropic.messages.stream({ model: 'm', max_tokens: 50, messages });
  return (await s.finalText()) + ` ${(await s.finalMessage()).usage.output_tokens}`;
});

await attempt('messagesDenied', () => anthropic.messages.create({ model: 'claude-opus', max_tokens: 50, messages }));

await attempt('gemini', async () => (await google.models.generateContent({ model: 'm', contents: 'hello' })).text);

await attempt('geminiStream', async () => {
  let text = '';
  for await (const c of await google.models.generateContentStream({ model: 'm', contents: 'hello' })) text += c.text ?? '';
  return text;
});

await attempt('geminiDenied', () => google.models.generateContent({ model: 'gemini-pro', contents: 'hello' }));

console.log(JSON.stringify(out));
