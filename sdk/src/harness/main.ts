// The harness runs one unit once: ready, start, the method, result or error,
// exit. It holds no secret: the unit shares the process and is trusted with
// nothing but its own result.
import { hostKey } from '../host';
import { schemasKey, through } from '../schemas';
import { connect, keepAlive, maxFrame, send } from './channel';
import { ahead } from './ahead';
import { closed } from './closed';
import { failure } from './failure';
import { record, recordable } from './fetch';
import { answer, asking, early, host } from './host';
import { install, load, root, type File } from './load';
import { sameness } from './sameness';
import { stop } from './stop';
import { plain, revive, Uncrossable, type Revive } from './values';
import { parked, warm } from './warm';

interface Start {
  t: 'start';
  files: File[];
  entry: string;
  export: string;
  method?: string;
  args: unknown[];
  revive?: Revive[];
  clock?: number; // what the unit's clock shows first
  seed?: string; // of its randomness, in hex
}

const self = process.argv[1]!;
const exit: (code: number) => never = process.reallyExit.bind(process);
let started = false;
let over = false;
let warmed: Promise<void>;

function finish(frame: { t: 'result'; value: unknown } | { t: 'error'; error: unknown }): never {
  if (!over) {
    over = true;
    if (!send(frame)) send({ t: 'error', error: problem('exhausted', `the result is longer than ${maxFrame >> 20} MiB of JSON`, 'return less, or store it in kv and return the key') });
  }
  return exit(0);
}

const fail = (e: unknown) => finish({ t: 'error', error: failure(e, root, self) });

function problem(code: string, message: string, hint: string) {
  return { name: 'AriaError', message, stack: '', code, hint, retryable: false };
}

// Every way out of the process that the unit can take ends in one last frame.
function guard(): void {
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  process.on('beforeExit', () => finish({ t: 'error', error: problem('failed', 'the unit waits for something that can never come', 'a promise was never settled, and no timer or question is open') }));
  process.exit = (code?: any) => finish({ t: 'error', error: problem('failed', `the unit called process.exit(${code ?? ''})`, 'return a value or throw an error instead') });
}

async function run(start: Start): Promise<unknown> {
  if (start.seed) {
    sameness(start.clock!, start.seed);
    record();
  }
  revive(start.args as any[], start.revive ?? []);
  const exported = (await load(start.files, start.entry))[start.export];
  if (typeof exported !== 'function') throw problem('not_found', `${start.entry} exports no class or function "${start.export}"`, 'build the bundle again');
  if (!start.method) return checked(exported, undefined, start.args);
  const it = new exported();
  if (typeof it[start.method] !== 'function') throw problem('not_found', `"${start.export}" has no method "${start.method}"`, 'build the bundle again');
  return checked(it[start.method], it, start.args);
}

// A unit whose schemas are values is checked by them; any other is called at once.
function checked(f: any, self: unknown, args: unknown[]): Promise<unknown> {
  const schemas = f[schemasKey];
  if (!schemas) return f.apply(self, args);
  return (async () => {
    if (schemas.input) args = [await through(f, 'input', args[0])];
    return through(f, 'output', await f.apply(self, args));
  })();
}

function result(v: unknown): never {
  let value: unknown;
  try {
    value = plain(v);
  } catch (e) {
    if (!(e instanceof Uncrossable)) return fail(e);
    const at = e.path ? `the result at ${e.path}` : 'the result';
    return finish({ t: 'error', error: problem('failed', `${at} cannot be returned: ${e.message}`, 'return plain data, Date, bigint, URL, Map, Set or Uint8Array') });
  }
  return finish({ t: 'result', value });
}

function frame(f: any): void {
  if (f.t === 'load') return void warmed.then(() => ahead(f.files, f.entry)).then(announce, () => exit(1));
  if (f.t === 'stop') {
    // Who neither listens nor waits for us would never hear of it.
    if (!stop(f.message) && !asking()) finish({ t: 'error', error: problem('cancelled', f.message, 'a unit that listens to stopSignal() may clean up') });
    return;
  }
  if (f.t !== 'start') return answer(f);
  if (started) return;
  started = true;
  early(undefined);
  keepAlive(false); // from here on only the unit's own waits keep the process
  run(f).then(result, fail);
}

// What does not depend on the unit is prepared while the start frame is on its
// way, or, in a container that is parked, before anybody is told of it.
function open(): void {
  const how = parked();
  if (how) {
    prepare();
    warmed = warm(self);
    void warmed.then(how === 'load' ? undefined : announce, () => exit(1));
    return;
  }
  send({ t: 'ready' });
  prepare();
  guard();
}

function announce(): void {
  guard();
  send({ t: 'ready' });
}

function prepare(): void {
  (globalThis as any)[hostKey] = host;
  if (process.env.ARIA_GATE) recordable();
  else closed();
  install();
}

connect(open, frame, () => exit(1));
