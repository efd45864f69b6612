export { tool, agent, team, pipeline, step } from './decorators';
export { Agent, Team, Pipeline, use } from './units';
export { kv } from './kv';
export { lock } from './lock';
export { queue } from './queue';
export { vector } from './vector';
export { log } from './log';
export { AriaError, TerminalError, Conflict } from './errors';
