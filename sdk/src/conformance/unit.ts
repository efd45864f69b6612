// The suite as a unit: what it returns is what failed.
import * as kv from './kv';
import { failures } from './suite';
import * as vector from './vector';

export const suites = { kv, vector };

export class Unit {
  async run(name: keyof typeof suites): Promise<string[]> {
    return failures(suites[name].cases);
  }
}
