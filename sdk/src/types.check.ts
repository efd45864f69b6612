// What the types must allow and must refuse, checked by a test of arc/compiler: a line
// that should be refused and is not fails the check itself.
import { Agent, agent, blob, fs, kv, lock, llm, net, Pipeline, pipeline, queue, secret, step, Team, team, tool, use, vector } from '../dist/index';

interface Item { n: number; tag?: string }

class Box {
  reads = kv<Item>('a');
  writes = kv<Item>('a', 'rw');
  both = kv<Item, 'a'>('a', 'a');

  @tool() async one(id: string, n = 1): Promise<Item | undefined> { return n ? this.reads.get(id) : undefined; }
  @tool({ timeout: '20s', memory: '64MiB', cpu: 0.5, retries: 2, approve: true }) async two(): Promise<number> { return this.writes.set('k', { n: 1 }); }
  // @ts-expect-error a tool is async
  @tool() three(): number { return 1; }
  // @ts-expect-error a span of time has a unit from the list
  @tool({ timeout: '5 minutes' }) async four(): Promise<void> {}
  async modes() {
    await this.both.update('k', (v) => ({ n: (v?.n ?? 0) + 1 }));
    // @ts-expect-error a read handle cannot write
    await this.reads.set('k', { n: 1 });
    // @ts-expect-error the value has the handle's type
    await this.writes.set('k', { n: 'one' });
    // @ts-expect-error no such mode
    kv<Item>('a', 'x');
    for await (const e of this.reads.list({ prefix: 'k' })) e.value.n.toFixed(e.version);
  }
}

declare const Pay: { '~standard': { version: 1; vendor: 'x'; validate: (v: unknown) => { value: { cents: number; at: Date } }; types?: { input: { cents: string }; output: { cents: number; at: Date } } } };
declare const Paid: { '~standard': { version: 1; vendor: 'x'; validate: (v: unknown) => { value: string }; types?: { input: boolean; output: string } } };

class Till {
  @tool({ input: Pay, timeout: '1s' }) async pay(p: { cents: number; at: Date }): Promise<number> { return p.cents; }
  @tool({ input: Pay, output: Paid }) async both(p: { cents: number }): Promise<boolean> { return p.cents > 0; }
  @tool({ output: Paid }) async out(a: string, b = 1): Promise<boolean> { return a.length > b; }
  // @ts-expect-error the parameter is what the schema gives
  @tool({ input: Pay }) async wrong(p: { cents: string }): Promise<void> { void p; }
  // @ts-expect-error the result is what the schema takes
  @tool({ input: Pay, output: Paid }) async wrongResult(): Promise<string> { return ''; }
  // @ts-expect-error the input is one parameter
  @tool({ input: Pay }) async two(p: { cents: number }, q: number): Promise<void> { void p, q; }
}
void Till;
tool.fn(async (p) => p.cents + p.at.getTime(), { input: Pay }) satisfies (p: { cents: number; at: Date }) => Promise<number>;
// @ts-expect-error not a schema
tool.fn(async () => 1, { input: { type: 'object' } });

class Writer {
  mini = llm('openai:gpt-4o-mini', { budget: 1000, rate: '10/1m', concurrency: 2 });
  // @ts-expect-error a model has a provider
  bare = llm('gpt-4o-mini');
  // @ts-expect-error a rate has a time
  fast = llm('openai:gpt-4o-mini', { rate: '10' });
  @tool() async sum(text: string): Promise<{ title: string }> {
    const n: number[] = await this.mini.embed(text);
    const many: number[][] = await this.mini.embed([text]);
    const r = await this.mini.chat([{ role: 'user', text }], { system: 'brief' });
    return this.mini.generate<{ title: string }>(r.text + n.length + many.length, { schema: { type: 'object' } });
  }
}

const hello = tool.fn(async (name: string, loud = false) => (loud ? name.toUpperCase() : name), { retries: 1 });
hello('x', true) satisfies Promise<string>;

@agent({ model: 'openai:gpt-4o-mini', tools: [Box, Box.prototype.one, hello, 'acme/search@^1#web'], budget: { usd: 0.05, time: '2m' } })
class Ask extends Agent<{ q: string }, { a: string }> { instructions = 'x'; }

// @ts-expect-error a model has a provider
@agent({ model: 'gpt-4o-mini' })
class NoProvider extends Agent { instructions = 'x'; }

// @ts-expect-error not an Agent
@agent({ model: 'local:planner' })
class NotAnAgent { instructions = 'x'; }

// @ts-expect-error instructions are missing
class Mute extends Agent {}

// @ts-expect-error a reference to another bundle has version and unit
@agent({ model: 'local:planner', tools: ['acme/search'] })
class BadRef extends Agent { instructions = 'x'; }

@team({ members: [Ask], lead: Ask, mode: 'lead' })
class Crew extends Team<{ q: string }, string> {}

// @ts-expect-error members are agents
@team({ members: [Box] })
class BadCrew extends Team {}

@pipeline({ every: '1h' })
class Flow extends Pipeline<{ q: string }, string> {
  box = use(Box);
  ask = use(Ask);
  crew = use(Crew);

  @step() async load(i: { q: string }): Promise<Item | undefined> { return this.box.one(i.q); }
  @step({ retries: 2 }) async think(i: { q: string }): Promise<{ a: string }> { return this.ask.run(i); }
  @step({ after: ['load', 'think'], timeout: '1m' }) async end(item: Item | undefined, t: { a: string }): Promise<string> { return t.a + item?.n; }
  @step({ after: 'end' }) async last(s: string): Promise<string> { return s + (await this.crew.run({ q: s })); }
  // @ts-expect-error no such step
  @step({ after: ['lod'] }) async wrong(): Promise<void> {}
  async more() {
    // @ts-expect-error the input of the agent is typed
    await this.ask.run({ question: 'x' });
    // @ts-expect-error fields of a toolbox are not reached through use
    this.box.reads;
  }
}

void [NoProvider, NotAnAgent, Mute, BadRef, BadCrew, Flow];

// The container's globals, in the idioms people write.
export async function idioms(): Promise<string> {
  await new Promise((done) => setTimeout(done, 10));
  const timer = setInterval(() => {}, 1_000);
  clearInterval(timer);
  const stop = AbortSignal.any([AbortSignal.timeout(5), new AbortController().signal]);
  const r = new Response(JSON.stringify({ a: 1 }), { headers: { 'content-type': 'application/json' } });
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(await r.text()));
  const url = new URL('/x?y=1', 'https://a.b');
  for (const [k, v] of url.searchParams) console.log(k, v, stop.aborted);
  for await (const part of new Blob(['x']).stream()) console.log(part.length);
  return Buffer.from(new Uint8Array(hash)).toString('hex') + btoa('x') + crypto.randomUUID() + structuredClone({ z: performance.now() }).z;
}

interface Facts { lang: string; year: number; tags?: string[]; draft: boolean | null }

// What stands behind the other tokens.
export class Data {
  orders = kv<Item, 'rw'>('orders', 'rw', { hold: 'tx' });
  stock = kv<number>('stock', 'a');
  prices = kv<number>('prices', 's');
  gate = lock('gate', 'rw', { hold: 'tx' });
  docs = vector<Facts>('docs', 'rw', { dims: 4, embed: async (texts) => texts.map(() => [1, 0, 0, 0]) });
  found = vector<Facts>('docs');
  jobs = queue<Item>('jobs', 'a');
  files = blob('files', 'rw');
  old = blob('files');
  disk = fs('/data/x', 'rw');

  async use(): Promise<string> {
    const n = await kv.tx([this.orders, this.stock, this.prices], async (orders, stock, prices) => {
      orders.set('a', { n: (await stock.get('a')) ?? 0 }, { ttl: '1h' });
      // @ts-expect-error a read handle does not write in a transaction either
      prices.set('a', 1);
      // @ts-expect-error the value has the handle's type
      stock.set('a', 'one');
      return (await prices.get('a')) ?? 0;
    });
    await this.orders.tx((t) => t.delete('a'));
    for await (const e of this.prices.watch('a', { initial: true })) if (e.type === 'set') e.value.toFixed(n);
    await kv.snapshot([this.orders, this.prices], async (o, p) => [(await o.get('a'))?.n, await p.entries()]);
    // @ts-expect-error a snapshot does not write
    await this.orders.snapshot((s) => s.set('a', { n: 1 }));
    const fence: bigint = await this.gate.hold((f) => f);
    await this.docs.upsert([{ id: 'a', text: 'x', meta: { lang: 'en', year: 1, draft: null }, ttl: '1d' }, { id: 'b', vector: new Float32Array(4) }]);
    await this.found.query({ text: 'x', where: { lang: ['en', 'de'], year: { gte: 1, lt: 2 }, tags: 'a', draft: null, $or: [{ lang: 'en' }, { $not: { year: 3 } }] } });
    // @ts-expect-error no such field
    await this.found.query({ text: 'x', where: { language: 'en' } });
    // @ts-expect-error a number is not compared with a text
    await this.found.query({ text: 'x', where: { year: 'x' } });
    // @ts-expect-error a read handle does not write
    await this.found.delete('a');
    await this.jobs.push({ n: 1 }, { delay: '1s', once: 'a', attempts: 2, ttl: '1h' });
    await this.jobs.work(async (job, item) => { job.n.toFixed(item.attempt); await item.extend('1m'); }, { wait: '1s' });
    const s = await this.files.put('a', (async function* () { yield 'x'; })(), { type: 'text/plain' });
    // @ts-expect-error a read handle does not write
    await this.old.delete('a');
    await this.disk.write('a/b', new Uint8Array(3));
    // @ts-expect-error a volume has an absolute path
    fs('data/x');
    return s.sha256 + fence + (await this.disk.list())[0]?.name;
  }
}

export class Out {
  key = secret('KEY');
  stripe = net('api.stripe.com', { auth: secret('STRIPE_KEY') });
  basic = net('api.example.com', { auth: { basic: secret('K'), user: 'me' } });
  async ask(): Promise<number> {
    const r = await this.stripe.fetch('/v1/charges', { method: 'POST', body: 'a=b' });
    // @ts-expect-error a secret is no string
    await this.stripe.fetch('/', { headers: { authorization: this.key } });
    // @ts-expect-error auth is a secret, not a value
    net('api.example.com', { auth: 'sk_live_1' });
    return r.status;
  }
}
