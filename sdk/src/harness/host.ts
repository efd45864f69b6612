// The host that handles in the unit talk to: questions to the broker and log
// entries, as frames.
import type { Host, Level } from '../host';
import { listen, maxFrame, send } from './channel';
import { plain } from './values';

const longest = 64 << 10; // characters of one log text
const pending = new Map<number, { resolve(v: any): void; reject(e: any): void }>();
let last = 0; // id of the last call
let reading = false;

export const host: Host = {
  call(op, args) {
    return new Promise((resolve, reject) => {
      const id = last + 1;
      if (!send({ t: 'call', id, op, args })) {
        return reject({ code: 'exhausted', message: `${op}: the arguments are longer than ${maxFrame >> 20} MiB`, hint: 'a kv value holds at most 1 MiB of JSON' });
      }
      last = id;
      pending.set(id, { resolve, reject });
      if (!reading) {
        reading = true;
        listen(answer, lost);
      }
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

// False when no answer is awaited any more.
function answer(frame: any): boolean {
  const p = pending.get(frame.id);
  pending.delete(frame.id);
  if (frame.t === 'ok') p?.resolve(frame.value);
  else p?.reject(frame.error);
  return (reading = pending.size > 0);
}

function lost(): void {
  reading = false;
  for (const p of pending.values()) p.reject({ code: 'unavailable', message: 'the broker is gone' });
  pending.clear();
}
