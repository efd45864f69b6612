// Schemas that are values, on the function whose input and output they describe.
// The harness checks with them at the border of the container; a call from code
// to code is typed and not checked again.

export const schemasKey = Symbol.for('aria.schemas');

/** Any Standard Schema (https://standardschema.dev). */
interface Schema {
  '~standard': { validate(value: unknown): Result | Promise<Result> };
}
interface Result {
  value?: unknown;
  issues?: readonly { message: string; path?: readonly (PropertyKey | { key: PropertyKey })[] }[];
}
type Side = 'input' | 'output';

export function keepSchemas<F extends Function>(f: F, { input, output }: { input?: Schema; output?: Schema }): F {
  return Object.defineProperty(f, schemasKey, { value: { input, output } });
}

/** What v becomes under the schema of f's side; v itself where there is none. */
export async function through(f: any, side: Side, v: unknown): Promise<unknown> {
  const schema: Schema | undefined = f[schemasKey]?.[side];
  if (!schema) return v;
  const r = await schema['~standard'].validate(v);
  if (!r.issues) return r.value;
  const all = r.issues.map(({ message, path = [] }) => {
    const at = path.map((p) => '/' + String(typeof p === 'object' ? p.key : p)).join('');
    return at ? `${at}: ${message}` : message;
  });
  throw {
    name: 'AriaError', code: side === 'input' ? 'invalid' : 'failed', retryable: false, stack: '',
    message: `${side} ${all.slice(0, 5).join('; ')}${all.length > 5 ? ` and ${all.length - 5} more` : ''}`,
    hint: side === 'input' ? 'the schema of the tool says what it takes' : 'the tool returned what its own schema does not allow',
  };
}
