/** What src/*.test.ts needs of Bun's test runner, so that editors know it. */
declare module 'bun:test' {
  type Body = () => void | Promise<void>;
  export function test(name: string, body: Body): void;
  export function describe(name: string, body: () => void): void;
  export function beforeEach(body: Body): void;
  export function afterEach(body: Body): void;
  export interface Matchers<Result> {
    not: Matchers<Result>;
    resolves: Matchers<Promise<void>>;
    rejects: Matchers<Promise<void>>;
    toBe(value: unknown): Result;
    toEqual(value: unknown): Result;
    toContain(value: unknown): Result;
    toMatch(value: string | RegExp): Result;
    toThrow(value?: string | RegExp | (new (...args: any[]) => unknown)): Result;
    toBeUndefined(): Result;
    toBeGreaterThan(value: number | bigint): Result;
  }
  export function expect(value: unknown): Matchers<void>;
}
