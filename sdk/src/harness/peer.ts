// The other side of descriptor 3, for tests: starts the built harness in a
// process of its own and speaks the protocol of docs/spec/harness.md.
import { spawn } from 'node:child_process';
import path from 'node:path';

const harness = path.join(import.meta.dir, '../../dist/harness.js');

export interface Unit {
  /** Code by path; a string alone is code/unit.js. */
  code: string | Record<string, string>;
  export?: string;
  method?: string;
  args?: unknown[];
  revive?: object[];
  /** More of the start frame. */
  start?: object;
  /** As a container that booted before anybody wanted it; 'load': and that has loaded the code. */
  parked?: boolean | 'load';
}

export interface Outcome {
  /** Every frame from inside, in order, without ready. */
  frames: any[];
  /** The last frame. */
  end: any;
  exit: number | null;
  stdout: string;
  stderr: string;
}

/** Answers one call: a value, or throws {code, message} to refuse. */
export type Answer = (op: string, args: any, id: number) => unknown;

export async function execute(unit: Unit, answer: Answer = () => null, raw?: (write: (b: Uint8Array) => void) => void): Promise<Outcome> {
  const files = typeof unit.code === 'string' ? { 'code/unit.js': unit.code } : unit.code;
  const child = spawn(process.execPath, ['--no-install', harness], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: { PATH: '/bin', HOME: '/tmp', BUN_RUNTIME_TRANSPILER_CACHE_PATH: '0', ...(unit.parked && { ARIA_PARKED: unit.parked === 'load' ? 'load' : '1' }) },
  });
  const socket = child.stdio[3] as any;
  const out: Outcome = { frames: [], end: undefined, exit: null, stdout: '', stderr: '' };
  child.stdout!.on('data', (d) => (out.stdout += d));
  child.stderr!.on('data', (d) => (out.stderr += d));
  const send = (f: object) => socket.write(encode(f));
  let held = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (d: Buffer) => {
    held = Buffer.concat([held, d]);
    while (held.length >= 4 && held.length >= 4 + held.readUInt32BE(0)) {
      const n = held.readUInt32BE(0);
      const f = JSON.parse(held.toString('utf8', 4, 4 + n));
      held = held.subarray(4 + n);
      if (f.t === 'ready') {
        send({
          t: 'start', execution: 'e1', unit: 'u', deadlineMs: 10_000, entry: Object.keys(files)[0], export: unit.export ?? 'Unit',
          method: unit.method ?? (unit.export === undefined ? 'run' : ''), args: unit.args ?? [], revive: unit.revive, ...unit.start,
          files: unit.parked === 'load' ? [] : list,
        });
        continue;
      }
      out.frames.push(f);
      if (f.t !== 'call') continue;
      Promise.resolve().then(() => answer(f.op, f.args, f.id)).then(
        (value) => send({ t: 'ok', id: f.id, value: value ?? null }),
        (error) => send({ t: 'fail', id: f.id, error }),
      );
    }
  });
  const list = Object.entries(files).map(([path, content]) => ({ path, content }));
  if (unit.parked === 'load') send({ t: 'load', files: list, entry: Object.keys(files)[0] });
  raw?.((b) => socket.write(b));
  out.exit = await new Promise((done) => child.on('close', (code) => done(code)));
  out.end = out.frames.at(-1);
  return out;
}

export function encode(f: object): Buffer {
  const body = Buffer.from(JSON.stringify(f));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
}

/** A class Unit whose run method has this body. */
export const body = (text: string) => `export class Unit { async run(...args) { ${text} } }`;
