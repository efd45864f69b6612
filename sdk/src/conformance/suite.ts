// One suite for what stands behind the handles. It runs against the host in
// memory under `bun test`, and as a unit in a container against the real broker
// (quilt/daemon): both must answer the same.
export type Case = [name: string, run: () => Promise<void>];

/** Runs cases one after the other; what failed, as sentences. */
export async function failures(cases: Case[]): Promise<string[]> {
  const bad: string[] = [];
  for (const [name, run] of cases) {
    try {
      await run();
    } catch (e: any) {
      bad.push(`${name}: ${e?.message ?? e}`);
    }
  }
  return bad;
}

export function same(got: unknown, want: unknown, what = ''): void {
  const [a, b] = [JSON.stringify(sorted(got)), JSON.stringify(sorted(want))];
  if (a !== b) throw new Error(`${what} got ${a}, want ${b}`);
}

function sorted(v: unknown): unknown {
  if (Array.isArray(v)) return v.map(sorted);
  if (v === null || typeof v !== 'object') return v;
  return Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, x]) => [k, sorted(x)]));
}

/** Wants a refusal with this code. */
export async function refused(code: string, work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (e: any) {
    if (e?.code !== code) throw new Error(`refused with ${e?.code} (${e?.message}), want ${code}`);
    return;
  }
  throw new Error(`was not refused, want ${code}`);
}

export async function take<T>(n: number, from: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const x of from) {
    out.push(x);
    if (out.length === n) break;
  }
  return out;
}

export const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
