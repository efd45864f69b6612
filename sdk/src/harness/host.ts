// The host that handles in the unit talk to: questions to the broker and log
// entries, as frames.
import type { Host, Level } from '../host';
import { keepAlive, maxFrame, send } from './channel';
import { plain } from './values';

const longest = 64 << 10; // characters of one log text
const pending = new Map<number, { resolve(v: any): void; reject(e: any): void }>();
let last = 0; // id of the last call

export const host: Host = {
  call(op, args) {
    return new Promise((resolve, reject) => {
      if (!send({ t: 'call', id: last + 1, op, args })) {
        return reject({ code: 'exhausted', message: `${op}: the arguments are longer than ${maxFrame >> 20} MiB`, hint: 'a kv value holds at most 1 MiB of JSON' });
      }
      pending.set(++last, { resolve, reject });
      keepAlive(true);
    });
  },
  log(level: Level, text: string, fields?: object) {
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

/** Settles the call that the frame answers. */
export function answer(frame: any): void {
  const p = pending.get(frame.id);
  pending.delete(frame.id);
  if (pending.size === 0) keepAlive(false);
  if (frame.t === 'ok') p?.resolve(frame.value);
  else p?.reject(frame.error);
}
