// The host that handles in the unit talk to: questions to the broker and log
// entries, as frames.
import type { Host, Level } from '../host';
import { encode, keepAlive, maxFrame, send, write } from './channel';
import { advance } from './sameness';
import { signal } from './stop';
import { plain, revive } from './values';

const longest = 64 << 10; // characters of one log text
const pending = new Map<number, { resolve(v: any): void; reject(e: any): void }>();
let last = 0; // id of the last call

// The broker reads no further call while it has this many unanswered
// (docs/spec/limits.md). Since a write blocks this whole process, one call more
// would wait for an answer that nobody can read: the rest waits here.
const most = 64;
let open = 0; // calls written and not answered
const waiting: Uint8Array[] = [];

// Set while no run has begun: nobody may ask or tell anything yet.
let none: (() => never) | undefined;

/** What becomes of a question or log entry before the run; undefined: it has begun. */
export function early(refuse: (() => never) | undefined): void {
  none = refuse;
}

export const host: Host = {
  call(op, args) {
    none?.();
    return new Promise((resolve, reject) => {
      const frame = encode({ t: 'call', id: last + 1, op, args });
      if (!frame) {
        return reject({ code: 'exhausted', message: `${op}: the arguments are longer than ${maxFrame >> 20} MiB`, hint: 'a kv value holds at most 1 MiB of JSON' });
      }
      pending.set(++last, { resolve, reject });
      keepAlive(true);
      if (open >= most) waiting[waiting.length] = frame;
      else ask(frame);
    });
  },
  stop: signal,
  // Another unit, by class and method: the caller of this execution knows which.
  use(cls) {
    return new Proxy({}, {
      get: (_, method) => async (...args: unknown[]) => {
        const sent = args.map((a) => plain(a));
        const got = await host.call('run.call', { class: cls.name, method, args: sent });
        const out = [got.value];
        revive(out, got.revive);
        return out[0];
      },
    });
  },
  log(level: Level, text: string, fields?: object) {
    none?.();
    if (text.length > longest) text = text.slice(0, longest) + ' … (cut)';
    let f: unknown;
    try {
      f = fields === undefined ? undefined : plain(fields);
    } catch (e) {
      text += ` (fields left out: ${(e as Error).message})`;
    }
    if (!send({ t: 'log', level, text, fields: f })) send({ t: 'log', level, text: text + ' (fields left out: too long)' });
  },
};

function ask(frame: Uint8Array): void {
  open++;
  write(frame);
}

/** Whether the unit waits for an answer. */
export const asking = (): boolean => pending.size > 0;

/** Settles the call that the frame answers, and asks the next that waits. */
export function answer(frame: any): void {
  const p = pending.get(frame.id);
  if (pending.delete(frame.id)) open--;
  const next = waiting.shift();
  if (next) ask(next);
  if (pending.size === 0) keepAlive(false);
  if (frame.now) advance(frame.now);
  if (frame.t === 'ok') p?.resolve(frame.value);
  else p?.reject(frame.error);
}
