// The host is whoever runs the unit: the harness in a container, memoryHost() in
// a test. It is looked up at every call, so making a handle has no effect.
import { AriaError, Conflict } from './errors';

export type Level = 'debug' | 'info' | 'warn' | 'error';

export interface Host {
  /** Asks and gets the answer's value; rejects with `{code, message, hint}`. */
  call(op: string, args: object): Promise<any>;
  log(level: Level, text: string, fields?: object): void;
  /** What `use(cls)` stands for; absent where other units cannot be reached. */
  use?(cls: abstract new () => object): object;
  /** Aborted when the unit is to end; absent where nobody ends it. */
  stop?(): AbortSignal;
}

export const hostKey = Symbol.for('aria.host');

export function host(): Host | undefined {
  return (globalThis as any)[hostKey];
}

export async function call(op: string, args: object): Promise<any> {
  const h = host();
  if (!h) {
    throw new AriaError('unavailable', `${op} needs a host, and there is none in this process`, {
      hint: 'run the unit with "arc run", or call memoryHost() of @aria/sdk/testing at the top of a test',
    });
  }
  for (const [name, v] of Object.entries(args)) {
    if (typeof v === 'string' && !v.isWellFormed()) {
      throw new AriaError('invalid', `${op}: the ${name} holds half a character (a lone surrogate)`, {
        hint: 'cut text between characters, not inside one: [...text] are its characters',
      });
    }
  }
  try {
    return await h.call(op, args);
  } catch (e) {
    throw refused(e);
  }
}

// A refusal becomes an error of ours, made here so that its stack is the caller's.
export function refused(e: any): unknown {
  if (typeof e?.code !== 'string') return e;
  const opts = e.hint ? { hint: e.hint } : {};
  return e.code === 'conflict' ? new Conflict(e.message, opts) : new AriaError(e.code, e.message, opts);
}
