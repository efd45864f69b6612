/** @aria/sdk/testing: units as plain objects under `bun test`. */

export interface MemoryHost {
  /** What was logged so far. */
  readonly logs: { level: 'debug' | 'info' | 'warn' | 'error'; text: string; fields?: object }[];
  /** Every key of a kv namespace. */
  dump(ns: string): Record<string, unknown>;
  /** Answers requests of net handles; without it they fail. `secret` names the credential that would be added. */
  onFetch(answer: (request: Request, secret?: string) => Response | Promise<Response>): void;
  /** Forgets everything. */
  reset(): void;
}

/**
 * Puts a host in memory behind the handles of this process: kv works with
 * versions and conflicts, log collects, `use` calls toolboxes directly. It checks
 * no permission; the container does.
 *
 * ```ts
 * const host = memoryHost();
 * await new Orders().add('bo', 500);
 * ```
 */
export function memoryHost(): MemoryHost;
