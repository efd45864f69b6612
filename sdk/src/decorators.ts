// Decorators are markers that `arc build` reads in the source. At run time they
// only check that they are called as standard decorators, and keep the schemas
// that are values where the harness finds them.
import type * as api from '../dist/index';
import { keepSchemas } from './schemas';

function marker(name: string, kind: 'method' | 'class') {
  return (_target: unknown, context: unknown): void => {
    const ctx = context as { kind?: string; name?: string | symbol } | undefined;
    if (typeof ctx !== 'object' || ctx === null || typeof ctx.kind !== 'string') {
      throw new TypeError(
        `@${name} is a standard decorator, and this code was compiled for the legacy ones: remove "experimentalDecorators" from tsconfig.json`,
      );
    }
    if (ctx.kind !== kind) {
      throw new TypeError(`@${name} belongs on a ${kind}, and "${String(ctx.name)}" is a ${ctx.kind}`);
    }
  };
}

// Without the call parentheses the marker itself gets the target: say so.
function factory(name: string, kind: 'method' | 'class', decorator = marker(name, kind)) {
  return (opts?: unknown): any => {
    if (typeof opts === 'function') throw new TypeError(`write @${name}() with parentheses`);
    return decorator;
  };
}

const plainTool = factory('tool', 'method');

function toolOf(opts?: any): any {
  const mark = plainTool(opts);
  if (!opts?.input && !opts?.output) return mark;
  return (method: any, context: unknown): void => {
    mark(method, context);
    keepSchemas(method, opts);
  };
}

// One function may be two tools: with schemas each is a function of its own.
function fn(f: any, opts?: any): any {
  return opts?.input || opts?.output ? keepSchemas((...args: unknown[]) => f(...args), opts) : f;
}

export const tool: typeof api.tool = Object.assign(toolOf, { fn }) as any;
export const agent: typeof api.agent = factory('agent', 'class');
export const team: typeof api.team = factory('team', 'class');
export const pipeline: typeof api.pipeline = factory('pipeline', 'class');
export const step: typeof api.step = factory('step', 'method') as any;
