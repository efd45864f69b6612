// Errors that people read. They carry what crosses the container's border: code,
// message, hint, retryable. `docs/spec/errors.md` has the closed list of codes.
import type * as api from '../dist/index';

const passing: ReadonlySet<string> = new Set(['conflict', 'deadlock', 'timeout', 'unavailable', 'interrupted', 'exhausted']);

export class AriaError extends Error {
  readonly code: api.Code;
  readonly hint?: string;
  readonly retryable: boolean;

  constructor(code: api.Code, message: string, opts: { hint?: string; retryable?: boolean; cause?: unknown } = {}) {
    super(message, 'cause' in opts ? { cause: opts.cause } : undefined);
    this.name = 'AriaError';
    this.code = code;
    this.hint = opts.hint;
    this.retryable = opts.retryable ?? passing.has(code);
  }
}

export class TerminalError extends AriaError {
  constructor(message: string, opts: { code?: api.Code; hint?: string; cause?: unknown } = {}) {
    super(opts.code ?? 'failed', message, { ...opts, retryable: false });
    this.name = 'TerminalError';
  }
}

export class Conflict extends AriaError {
  constructor(message: string, opts: { hint?: string; cause?: unknown } = {}) {
    super('conflict', message, opts);
    this.name = 'Conflict';
  }
}
