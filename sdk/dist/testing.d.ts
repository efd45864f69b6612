/** @aria/sdk/testing: units as plain objects under `bun test`. */

/** What a handle of `llm` asks its host. */
export interface LlmRequest {
  model: string;
  messages: { role: 'system' | 'user' | 'assistant' | 'tool'; text?: string; callId?: string; tool?: string }[];
  tools?: { name: string; description?: string; schema: object }[];
  output?: object;
  maxTokens?: number;
  temperature?: number;
}

/** An answer prepared for it. */
export interface LlmAnswer {
  text: string;
  stop?: 'end' | 'tools' | 'length' | 'filter';
  toolCalls?: { id: string; name: string; arguments: string }[];
}

export interface MemoryHost {
  /** What was logged so far. */
  readonly logs: { level: 'debug' | 'info' | 'warn' | 'error'; text: string; fields?: object }[];
  /** Every key of a kv namespace. */
  dump(ns: string): Record<string, unknown>;
  /** Answers approvals; without it, everything is agreed to. `sleep` takes no time. */
  approve?: (role: string, data: unknown) => { ok: boolean; by?: string; reason?: string; timeout?: boolean };
  /** Answers requests of net handles; without it they fail. `secret` names the credential that would be added. */
  onFetch(answer: (request: Request, secret?: string) => Response | Promise<Response>): void;
  /** Answers every `llm` handle; a string is a whole answer. Without it a question is an error. */
  llm?: (request: LlmRequest) => string | LlmAnswer | Promise<string | LlmAnswer>;
  /** Aborts `stopSignal()`, as when the run is cancelled. */
  stop(why?: string): void;
  /** Forgets everything, and the answers of `llm` and `onFetch`. */
  reset(): void;
}

/**
 * Puts a host in memory behind the handles of this process: kv works with
 * versions and conflicts, `llm` answers what the test says, log collects, `use` calls toolboxes directly. It checks
 * no permission; the container does.
 *
 * ```ts
 * const host = memoryHost();
 * await new Orders().add('bo', 500);
 * ```
 */
export function memoryHost(): MemoryHost;
