// What may be stored as JSON without losing anything. JSON.stringify would turn a
// Date into a string and a Map into {}; kv refuses those instead.

/** The JSON text of v; throws a TypeError that names the path of what cannot be stored. */
export function strictJSON(v: unknown, what: string): unknown {
  check(v, what, '', []);
  return v;
}

function check(v: unknown, what: string, path: string, above: object[]): void {
  switch (typeof v) {
    case 'string': if (!v.isWellFormed()) bad(what, path, 'the text holds half a character (a lone surrogate)'); return;
    case 'boolean': return;
    case 'number': if (!Number.isFinite(v)) bad(what, path, `${v} is not JSON`); return;
    case 'undefined': if (path === '') bad(what, path, 'undefined cannot be stored'); return;
    case 'object': break;
    default: bad(what, path, `a ${typeof v} cannot be stored`);
  }
  if (v === null) return;
  if (above.includes(v)) bad(what, path, 'the value contains itself');
  above.push(v);
  if (Array.isArray(v)) v.forEach((x, i) => check(x === undefined ? null : x, what, `${path}/${i}`, above));
  else {
    const proto = Object.getPrototypeOf(v);
    const name = proto?.constructor?.name;
    if (v instanceof Map || v instanceof Set || ArrayBuffer.isView(v) || v instanceof Date || v instanceof URL || v instanceof Promise) {
      bad(what, path, `a ${name} cannot be stored as JSON`);
    }
    for (const [k, x] of Object.entries(v)) {
      if (!k.isWellFormed()) bad(what, path, 'a name holds half a character (a lone surrogate)');
      check(x, what, `${path}/${k}`, above);
    }
  }
  above.pop();
}

function bad(what: string, path: string, why: string): never {
  throw new TypeError(path ? `${what} at ${path}: ${why}` : `${what}: ${why}`);
}
