// What is told of an error: name, message and a stack whose places are those of
// the bundle ("code/orders.js:12:7"), with its causes below.

export interface Failure {
  name: string;
  message: string;
  stack: string;
  code?: string;
  hint?: string;
  retryable: boolean;
}

const most = 64 << 10; // characters of a message or stack
const causes = 5;

/** Never throws: what was thrown may be anything, also something that throws when it is read. */
export function failure(e: unknown, root: string, self: string): Failure {
  try {
    return told(e, root, self);
  } catch {
    return { name: 'Thrown', message: 'something was thrown that cannot be read', stack: '', retryable: true };
  }
}

function told(e: unknown, root: string, self: string): Failure {
  const x = e as any;
  const isError = e instanceof Error || (typeof e === 'object' && e !== null && typeof x.message === 'string');
  const f: Failure = {
    name: clip(isError ? String(x.name || 'Error') : 'Thrown'),
    message: clip(isError ? String(x.message) : thrown(e)),
    stack: clip(isError ? stacks(x, root, self) : ''),
    retryable: isError && typeof x.retryable === 'boolean' ? x.retryable : true,
  };
  if (isError && typeof x.code === 'string') f.code = x.code;
  if (isError && typeof x.hint === 'string') f.hint = clip(x.hint);
  return f;
}

function thrown(e: unknown): string {
  if (e === null || e === undefined) return `${e} was thrown`;
  return `${typeof e === 'object' ? 'an' : 'a'} ${typeof e} was thrown: ${show(e)}`;
}

function stacks(e: any, root: string, self: string): string {
  if (!(e instanceof Error) && e.stack === '') return ''; // ours: it says all there is to say
  const out: string[] = [];
  for (let i = 0; e && i <= causes; e = e.cause, i++) {
    const head = i === 0 ? '' : 'caused by: ';
    out.push(head + (e instanceof Error ? stack(e, root, self) : show(e)));
    for (const part of Array.isArray(e.errors) ? e.errors.slice(0, causes) : []) {
      out.push('one of: ' + (part instanceof Error ? stack(part, root, self) : show(part)));
    }
  }
  return out.join('\n');
}

// Frames of the harness and of the engine say nothing to the author.
function stack(e: Error, root: string, self: string): string {
  const lines = String(e.stack ?? `${e.name}: ${e.message}`).split('\n');
  // A complaint about code that does not parse has its place beside the stack.
  const at = (e as any).position;
  if (at?.file && lines.length === 1) lines.push(`    at ${at.file}:${at.line}:${at.column}`);
  return lines
    .filter((l) => !/^\s+at /.test(l) || !(l.includes(self) || /\(native|\(unknown\)|\bnode:|bun:|<anonymous>\)?$/.test(l)))
    .map((l) => l.replaceAll('file://' + root, '').replaceAll(root, ''))
    .join('\n');
}

function show(v: unknown): string {
  try {
    return typeof v === 'string' ? v : (JSON.stringify(v) ?? String(v));
  } catch {
    return Object.prototype.toString.call(v);
  }
}

function clip(s: string): string {
  return s.length <= most ? s : s.slice(0, most) + ' … (cut)';
}
