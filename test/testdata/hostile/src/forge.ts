import { kv, tool } from '@aria/sdk';
import { attempt, frame, type Seen } from './seen';

/** Talking to the broker around the harness. */
export class Forge {
  // The only namespace these tools hold.
  private readonly mine = kv<{ n: number }, 'rw'>('mine', 'rw');

  /** Asks the host for namespaces, modes and operations it does not hold. Every `worked` must be false but the first. */
  @tool()
  async calls(): Promise<Seen[]> {
    const host = (globalThis as any)[Symbol.for('aria.host')];
    return [
      await attempt('own namespace', () => this.mine.set('k', { n: 1 })),
      await attempt('read another', () => host.call('kv.get', { ns: 'orders', key: 'A-17' })),
      await attempt('write another', () => host.call('kv.put', { ns: 'orders', key: 'A-17', value: 1 })),
      await attempt('list another', () => host.call('kv.list', { ns: 'orders', prefix: '' })),
      await attempt('path in the name', () => host.call('kv.get', { ns: '../mine', key: 'k' })),
      await attempt('no name', () => host.call('kv.get', { key: 'k' })),
      await attempt('name of another type', () => host.call('kv.get', { ns: ['mine'], key: 'k' })),
      await attempt('empty key', () => host.call('kv.put', { ns: 'mine', key: '', value: 1 })),
      await attempt('NUL in a key', () => host.call('kv.put', { ns: 'mine', key: 'a\0b', value: 1 })),
      await attempt('long key', () => host.call('kv.put', { ns: 'mine', key: 'k'.repeat(513), value: 1 })),
      await attempt('long value', () => host.call('kv.put', { ns: 'mine', key: 'k', value: 'x'.repeat(2 << 20) })),
      await attempt('unknown operation', () => host.call('secret.get', { name: 'STRIPE_KEY' })),
    ];
  }

  /** Ends with reason protocol: a second last frame. */
  @tool()
  async twice(): Promise<string> {
    await frame({ t: 'result', value: 'forged' }, { t: 'result', value: 'again' });
    return 'real';
  }

  /** Ends with reason protocol: a frame of an unknown kind. */
  @tool()
  async unknown(): Promise<string> {
    await frame({ t: 'kill', execution: 'all' });
    await new Promise((r) => setTimeout(r, 2_000));
    return 'still here';
  }

  /** Ends with reason protocol: a length of 4 GiB. */
  @tool()
  async giant(): Promise<string> {
    const fs = await import(['node', 'fs'].join(':'));
    fs.writeSync(3, new Uint8Array([255, 255, 255, 255, 123]));
    await new Promise((r) => setTimeout(r, 2_000));
    return 'still here';
  }

  /** Ends with reason protocol: bytes that are not JSON. */
  @tool()
  async garbage(): Promise<string> {
    const fs = await import(['node', 'fs'].join(':'));
    fs.writeSync(3, new Uint8Array([0, 0, 0, 3, 1, 2, 3]));
    await new Promise((r) => setTimeout(r, 2_000));
    return 'still here';
  }

  /** A forged result is the unit's own to give: it may lie about itself, and about nothing else. */
  @tool()
  async lie(): Promise<string> {
    await frame({ t: 'result', value: 'forged' });
    (globalThis as any).process.reallyExit(0);
    return 'real';
  }
}
