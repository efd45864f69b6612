import { AriaError } from './errors';
import { strictJSON } from './json';

/** The value, if it can be stored as JSON without loss. */
export function storable(key: string, value: unknown): unknown {
  try {
    return strictJSON(value, `value of "${key}"`);
  } catch (e) {
    throw new AriaError('invalid', (e as Error).message, {
      hint: 'store plain data: date.toISOString(), [...set], Object.fromEntries(map); delete() removes a key',
    });
  }
}

/**
 * Refuses strings that are no Unicode: on the way out, every lone half of a
 * surrogate pair would become the same replacement character.
 */
export function checkKey(key: string, what = 'key'): void {
  if (typeof key !== 'string') throw new AriaError('invalid', `a ${what} is a string, not ${key === null ? 'null' : typeof key}`);
  if (!(key as any).isWellFormed()) {
    throw new AriaError('invalid', `a ${what} is Unicode text; this one holds half of a surrogate pair`, {
      hint: 'the string was cut inside a character; encode binary keys as hex or base64url',
    });
  }
}
