// A parked container boots before anybody wants it, and has time. It goes once
// through all that a unit will go through, so that what the engine prepares at
// first use (the module loader, the plugin, JSON, promises) is ready when the
// start frame comes. What it runs is ours and leaves nothing behind.
import { encode, take } from './channel';
import { failure } from './failure';
import { forget, load, root } from './load';
import { rehearse } from './sameness';
import { plain, revive } from './values';

const mark = 'ARIA_PARKED';

/** Whether this container waits for nobody in particular; 'load': for the next run of code that comes first. */
export function parked(): '' | '1' | 'load' {
  const is = process.env[mark];
  delete process.env[mark];
  return is === '1' || is === 'load' ? is : '';
}

const code = `// @bun
import { one } from './warm2.js';
export class Warm { async run(a) { await null; return { a, n: one } } }`;

/** Goes through a unit's life once. */
export async function warm(self: string): Promise<void> {
  const files = [{ path: 'code/warm.js', content: code }, { path: 'code/warm2.js', content: '// @bun\nexport const one = 1;' }];
  const frame = { t: 'start', files, entry: 'code/warm.js', export: 'Warm', method: 'run', args: [{ at: '2000-01-01T00:00:00Z' }], revive: [{ arg: 0, path: '/at', type: 'date' }] };
  let start: any;
  take(encode(frame)!, (f) => (start = f));
  revive(start.args, start.revive);
  const unit = new (await load(start.files, start.entry))[start.export]();
  encode({ t: 'result', value: plain(await unit[start.method](...start.args)) });
  failure(new Error('warm'), root, self);
  rehearse();
  forget();
  require('node:fs'); // costs a unit that uses it 2.5 ms
}
