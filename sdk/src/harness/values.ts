// Values at the border. JSON is what crosses; where a schema says so, the unit
// sees Date, bigint, bytes, URL, Map or Set instead (docs/spec/harness.md).

export interface Revive { arg: number; path: string; type: string }

/** Turns the places that `list` names into rich values, in place. */
export function revive(args: any[], list: readonly Revive[]): void {
  for (const { arg, path, type } of list) {
    const steps = [arg, ...path.split('/').slice(1).map((s) => s.replaceAll('~1', '/').replaceAll('~0', '~'))];
    walk(args, steps, 0, type);
  }
}

function walk(at: any, steps: (string | number)[], i: number, type: string): void {
  if (at === null || typeof at !== 'object') return;
  const keys = steps[i] === '*' ? (at instanceof Map ? [...at.keys()] : Object.keys(at)) : [steps[i]!];
  for (const k of keys) {
    const inMap = at instanceof Map;
    if (inMap ? !at.has(k) : !Object.hasOwn(at, k)) continue;
    const v = inMap ? at.get(k) : at[k];
    if (i < steps.length - 1) walk(v, steps, i + 1, type);
    else if (v !== null) inMap ? at.set(k, rich(v, type)) : (at[k] = rich(v, type));
  }
}

function rich(v: any, type: string): unknown {
  switch (type) {
    case 'date': return typeof v === 'string' ? new Date(v) : v;
    case 'bigint': return typeof v === 'string' || typeof v === 'number' ? BigInt(v) : v;
    case 'bytes': return typeof v === 'string' ? new Uint8Array(Buffer.from(v, 'base64')) : v;
    case 'url': return typeof v === 'string' ? new URL(v) : v;
    case 'set': return Array.isArray(v) ? new Set(v) : v;
    case 'map': return Array.isArray(v) ? new Map(v) : typeof v === 'object' ? new Map(Object.entries(v)) : v;
  }
  return v;
}

/** What cannot cross, and where it sits: "/items/3/price". */
export class Uncrossable extends TypeError {
  constructor(readonly path: string, why: string) {
    super(why);
  }
}

const deepest = 400;

/** A copy of v that JSON carries without loss; throws Uncrossable. */
export function plain(v: any, path = '', above: object[] = []): any {
  switch (typeof v) {
    case 'string': case 'boolean': return v;
    case 'undefined': return null;
    case 'bigint': return v.toString();
    case 'number':
      if (Number.isFinite(v)) return v;
      throw new Uncrossable(path, `${v} is not a JSON number`);
    case 'object': break;
    default: throw new Uncrossable(path, `a ${typeof v} cannot cross`);
  }
  if (v === null) return null;
  if (above.includes(v)) throw new Uncrossable(path, 'the value contains itself');
  if (above.length >= deepest) throw new Uncrossable(path, `the value is nested more than ${deepest} deep`);
  above.push(v);
  const out = object(v, path, above);
  above.pop();
  return out;
}

function object(v: any, path: string, above: object[]): any {
  if (Array.isArray(v)) return Array.from(v, (x, i) => plain(x, `${path}/${i}`, above));
  if (v instanceof Date) {
    if (Number.isNaN(v.getTime())) throw new Uncrossable(path, 'the Date is invalid');
    return v.toISOString();
  }
  if (v instanceof URL) return v.href;
  if (v instanceof Set) return Array.from(v, (x, i) => plain(x, `${path}/${i}`, above));
  if (v instanceof Map) return map(v, path, above);
  if (ArrayBuffer.isView(v)) return Buffer.from(v.buffer, v.byteOffset, v.byteLength).toString('base64');
  if (v instanceof ArrayBuffer) return Buffer.from(v).toString('base64');
  if (v instanceof Promise) throw new Uncrossable(path, 'it is a promise: an "await" is missing');
  if (v instanceof Error) throw new Uncrossable(path, 'an Error cannot cross: throw it, or return its message');
  if (v instanceof WeakMap || v instanceof WeakSet || v instanceof RegExp) throw new Uncrossable(path, `a ${v.constructor.name} cannot cross`);
  if (typeof v.toJSON === 'function') return plain(v.toJSON(), path, above);
  const out: any = { __proto__: null };
  for (const k of Object.keys(v)) {
    const x = v[k];
    if (x !== undefined) out[k] = plain(x, `${path}/${k.replaceAll('~', '~0').replaceAll('/', '~1')}`, above);
  }
  return out;
}

// String keys make an object, any other key a list of pairs.
function map(m: Map<any, any>, path: string, above: object[]): any {
  const keys = [...m.keys()];
  if (!keys.every((k) => typeof k === 'string')) return [...m].map(([k, x], i) => [plain(k, `${path}/${i}/0`, above), plain(x, `${path}/${i}/1`, above)]);
  const out: any = { __proto__: null };
  for (const k of keys) out[k] = plain(m.get(k), `${path}/${k}`, above);
  return out;
}
