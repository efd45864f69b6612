export { tool, agent, team, pipeline, step } from './decorators';
export { Agent, Team, Pipeline, use } from './units';
export { kv } from './kv';
export { net, secret } from './net';
export { llm } from './llm';
export { log } from './log';
export { AriaError, TerminalError, Conflict } from './errors';
