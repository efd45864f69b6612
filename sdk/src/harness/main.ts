// The harness runs one unit once: ready, start, the method, result or error,
// exit. It holds no secret: the unit shares the process and is trusted with
// nothing but its own result.
import fs from 'node:fs';
import path from 'node:path';
import { hostKey } from '../host';
import { maxFrame, receive, send } from './channel';
import { failure } from './failure';
import { host } from './host';
import { plain, revive, Uncrossable, type Revive } from './values';

interface Start {
  files: { path: string; content: string }[];
  entry: string;
  export: string;
  method?: string;
  args: unknown[];
  revive?: Revive[];
}

const root = '/tmp/unit/';
const self = process.argv[1]!;
const exit = process.reallyExit.bind(process);
let over = false;

function finish(frame: { t: 'result'; value: unknown } | { t: 'error'; error: unknown }): never {
  if (!over) {
    over = true;
    if (!send(frame)) send({ t: 'error', error: problem('exhausted', `the result is longer than ${maxFrame >> 20} MiB of JSON`, 'return less, or store it in kv and return the key') });
  }
  return exit(0) as never;
}

const fail = (e: unknown) => finish({ t: 'error', error: failure(e, root, self) });

function problem(code: string, message: string, hint: string) {
  return { name: 'AriaError', message, stack: '', code, hint, retryable: false };
}

// Every way out of the process ends in one last frame.
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
process.on('beforeExit', () => finish({ t: 'error', error: problem('failed', 'the unit waits for something that can never come', 'a promise was never settled, and no timer or question is open') }));
process.exit = (code?: any) => finish({ t: 'error', error: problem('failed', `the unit called process.exit(${code ?? ''})`, 'return a value or throw an error instead') });

function layOut(files: Start['files']): void {
  const made = new Set<string>();
  for (const f of files) {
    const to = path.join(root, f.path);
    if (!to.startsWith(root)) throw new Error(`file ${f.path} lies outside the unit`);
    const dir = path.dirname(to);
    if (!made.has(dir)) fs.mkdirSync(dir, { recursive: true });
    made.add(dir);
    fs.writeFileSync(to, f.content);
  }
}

// require() of an ES module is twice as fast as import(), but refuses top-level await.
async function load(file: string): Promise<any> {
  try {
    return require(file);
  } catch (e: any) {
    if (!/async module|top-level await/i.test(String(e?.message))) throw e;
    return import(file);
  }
}

async function run(start: Start): Promise<unknown> {
  layOut(start.files);
  revive(start.args as any[], start.revive ?? []);
  const exported = (await load(path.join(root, start.entry)))[start.export];
  if (typeof exported !== 'function') throw problem('not_found', `${start.entry} exports no "${start.export}"`, 'build the bundle again');
  if (!start.method) return exported(...start.args);
  const it = new exported();
  if (typeof it[start.method] !== 'function') throw problem('not_found', `"${start.export}" has no method "${start.method}"`, 'build the bundle again');
  return it[start.method](...start.args);
}

function result(v: unknown): never {
  try {
    return finish({ t: 'result', value: plain(v) });
  } catch (e) {
    if (!(e instanceof Uncrossable)) return fail(e);
    const at = e.path ? `the result at ${e.path}` : 'the result';
    return finish({ t: 'error', error: problem('failed', `${at} cannot be returned: ${e.message}`, 'return plain data, Date, bigint, URL, Map, Set or Uint8Array') });
  }
}

send({ t: 'ready' });
const start = receive();
if (start?.t !== 'start') exit(1);
(globalThis as any)[hostKey] = host;
run(start).then(result, fail);
