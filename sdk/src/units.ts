import { AriaError } from './errors';
import { host, refused } from './host';

export abstract class Agent {}
export abstract class Team {}
export abstract class Pipeline {}

// The host is asked at the first call, not when the field is initialised.
export function use(cls: abstract new () => object): any {
  let target: object | undefined;
  return new Proxy({}, {
    get(_, name) {
      if (typeof name === 'symbol' || name === 'then') return undefined;
      return async (...args: unknown[]) => {
        target ??= reach(cls);
        const method = (target as any)[name];
        if (typeof method !== 'function') throw new TypeError(`${cls.name} has no method ${name}`);
        try {
          return await method.apply(target, args);
        } catch (e) {
          throw refused(e);
        }
      };
    },
  });
}

function reach(cls: abstract new () => object): object {
  const h = host();
  if (h?.use) return h.use(cls);
  throw new AriaError('unimplemented', `this build cannot reach ${cls.name} from inside a unit`, {
    hint: 'call its code directly, or let an agent call both units',
  });
}

