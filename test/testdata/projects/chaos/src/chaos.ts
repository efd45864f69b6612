import http from 'node:http';
import { kv, net, pipeline, Pipeline, step, tool, use, type KvWrite, type Net } from '@aria/sdk';

// Counting is not idempotent: done twice, it shows. Each place of a run is counted
// here, and by a service outside that counts once for every idempotency key. Most
// requests name their key themselves; PUT can be repeated by its method, and gets a
// key from the broker. Of five, two go by the handle, two by plain fetch, one by
// node:http.
function ask(outside: Net, run: string, n: number): Promise<string> {
  const path = `/${run}/${n}`;
  const url = 'http://counter.test:PORT' + path;
  const own = { method: 'POST', headers: { 'Idempotency-Key': `${run}-${n}-${crypto.randomUUID()}`, 'X-By': n % 5 < 2 ? 'handle' : 'unmodified' } };
  const put = { method: 'PUT', headers: { 'X-By': n % 5 < 2 ? 'handle' : 'unmodified' } };
  const text = (r: Response) => r.text();
  switch (n % 5) {
    case 0: return outside.fetch(path, own).then(text);
    case 1: return outside.fetch(path, put).then(text);
    case 2: return fetch(url, own).then(text);
    case 3: return fetch(url, put).then(text);
  }
  return new Promise((ok, no) => {
    const r = http.request(url, own, (res: any) => {
      let all = '';
      res.on('data', (d: any) => { all += d; });
      res.on('end', () => ok(all));
    });
    r.on('error', no);
    r.end();
  });
}

async function up(counts: KvWrite<number>, outside: Net, run: string, n: number): Promise<string> {
  const [, said] = await Promise.all([
    counts.update(`${run}/${n}`, (old) => (old ?? 0) + 1),
    ask(outside, run, n),
  ]);
  if (said !== 'counted') throw new Error(`the counter answered ${said}`);
  return run;
}

export class Count {
  counts = kv<number>('chaos/counts', 'a');
  outside = net('http://counter.test:PORT');
  /** Counts one place of a run up. */
  @tool()
  async one(run: string, n: number): Promise<string> { return up(this.counts, this.outside, run, n); }
}

export class Seen {
  counts = kv<number>('chaos/counts', 'r');
  /** How often each of the ten places of a run was counted. */
  @tool()
  async read(run: string): Promise<number[]> {
    return Promise.all(Array.from({ length: 10 }, async (_, n) => (await this.counts.get(`${run}/${n}`)) ?? 0));
  }
}

interface In { run: string }

/** Ten steps, two of them at the same time. */
@pipeline()
export class Steps extends Pipeline<In, string> {
  counts = kv<number>('chaos/counts', 'a');
  outside = net('http://counter.test:PORT');
  up(run: string, n: number): Promise<string> { return up(this.counts, this.outside, run, n); }
  @step() async s0(i: In): Promise<string> { return this.up(i.run, 0); }
  @step({ after: ['s0'] }) async s1(r: string): Promise<string> { return this.up(r, 1); }
  @step({ after: ['s1'] }) async s2(r: string): Promise<string> { return this.up(r, 2); }
  @step({ after: ['s1'] }) async s3(r: string): Promise<string> { return this.up(r, 3); }
  @step({ after: ['s2', 's3'] }) async s4(r: string, _: string): Promise<string> { return this.up(r, 4); }
  @step({ after: ['s4'] }) async s5(r: string): Promise<string> { return this.up(r, 5); }
  @step({ after: ['s5'] }) async s6(r: string): Promise<string> { return this.up(r, 6); }
  @step({ after: ['s6'] }) async s7(r: string): Promise<string> { return this.up(r, 7); }
  @step({ after: ['s7'] }) async s8(r: string): Promise<string> { return this.up(r, 8); }
  @step({ after: ['s8'] }) async s9(r: string): Promise<string> { return this.up(r, 9); }
}

/** The same as code: its own effects, calls of a tool, two at a time, pauses. */
@pipeline()
export class Code extends Pipeline<In, string> {
  counts = kv<number>('chaos/counts', 'a');
  outside = net('http://counter.test:PORT');
  count = use(Count);
  async run(i: In): Promise<string> {
    for (let n = 0; n < 10; n += 2) {
      await Promise.all([up(this.counts, this.outside, i.run, n), this.count.one(i.run, n + 1)]);
      await new Promise((done) => setTimeout(done, 20));
    }
    return i.run;
  }
}
