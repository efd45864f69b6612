// What the services in memory share: refusals as the broker words them.

/** Answers of one service, by operation. */
export type Ops = Record<string, (a: any) => any>;

const refuse = (code: string) => (message: string, hint?: string) => ({ code, message, hint });

export const conflict = refuse('conflict');
export const invalid = refuse('invalid');
export const exhausted = refuse('exhausted');
export const missing = refuse('not_found');

/** Refuses text that the broker refuses. */
export function text(what: string, s: string): void {
  if (s.includes('\0') || s.includes('\ufffd') || !(s as any).isWellFormed()) throw invalid(`a kv ${what} is Unicode text without NUL`);
}

const encoder = new TextEncoder();

/** The order of UTF-8 bytes. */
export function byBytes(a: string, b: string): number {
  const [x, y] = [encoder.encode(a), encoder.encode(b)];
  for (let i = 0; i < x.length && i < y.length; i++) if (x[i] !== y[i]) return x[i]! - y[i]!;
  return x.length - y.length;
}
