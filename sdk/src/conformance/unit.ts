// The suite as a unit: what it returns is what failed.
import * as blob from './blob';
import * as fs from './fs';
import * as kv from './kv';
import * as queue from './queue';
import { failures } from './suite';
import * as vector from './vector';

export const suites = { blob, fs, kv, queue, vector };

export class Unit {
  async run(name: keyof typeof suites): Promise<string[]> {
    return failures(suites[name].cases);
  }
}
