import { kv, tool } from '@aria/sdk';
import { attempt, reach, type Seen } from './seen';

/** Using up what there is. The execution must end for the stated reason, the machine must not notice. */
export class Exhaust {
  private readonly many = kv<number, 'rw'>('many', 'rw');

  /** Ends with reason oom. */
  @tool()
  async memory(): Promise<number> {
    const held: Uint8Array[] = [];
    for (;;) held.push(new Uint8Array(16 << 20).fill(held.length));
  }

  /** Ends with reason timeout: no timer can run any more. */
  @tool({ timeout: '1s' })
  async spin(): Promise<number> {
    for (let n = 0; ; n++) if (n < 0) return n;
  }

  /** Ends with reason timeout: waits politely for ever. */
  @tool({ timeout: '1s' })
  async wait(): Promise<void> {
    setInterval(() => {}, 1_000);
    await new Promise(() => {});
  }

  /** How many threads and processes it got before it was refused. */
  @tool()
  async workers(): Promise<Seen[]> {
    const W = (globalThis as any).Worker;
    const url = URL_of('setInterval(() => {}, 1000)');
    let made = 0;
    const workers = await attempt('500 workers', async () => {
      for (; made < 500; made++) await new Promise((yes, no) => { const w = new W(url); w.onerror = no; w.addEventListener('open', yes); });
      return made;
    });
    let forked = 0;
    const children = await attempt('500 processes', async () => {
      const cp = await reach('node', ':', 'child_process');
      for (; forked < 500; forked++) {
        const c = cp.spawn('/bin/bun', ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
        await new Promise((yes, no) => c.on('spawn', yes).on('error', no));
      }
      return forked;
    });
    return [{ ...workers, saw: `${made} made; ${workers.saw}` }, { ...children, saw: `${forked} made; ${children.saw}` }];
  }

  /** Bytes that fit in /tmp, and files. */
  @tool()
  async disk(): Promise<{ bytes: number; files: number }> {
    const fs = await reach('node', ':', 'fs');
    let bytes = 0;
    let files = 0;
    const chunk = new Uint8Array(1 << 20);
    await attempt('fill', () => { for (; bytes < 4 << 30; bytes += chunk.length) fs.appendFileSync('/tmp/full', chunk); });
    fs.rmSync('/tmp/full', { force: true });
    await attempt('files', () => { for (; files < 1_000_000; files++) fs.writeFileSync(`/tmp/f${files}`, ''); });
    return { bytes, files };
  }

  /** Writes this many MiB of lines to stdout and returns them as a number. */
  @tool()
  async flood(mib = 64): Promise<number> {
    const line = 'x'.repeat(1023);
    for (let i = 0; i < mib * 1024; i++) console.log(line);
    return mib;
  }

  /** Asks this often at once, and gives how many answers came. */
  @tool({ timeout: '20s' })
  async calls(n = 3000): Promise<number> {
    return (await Promise.all(Array.from({ length: n }, (_, i) => this.many.get('k' + i)))).length;
  }

  /** A result of this many MiB; above 4 the execution ends with code exhausted. */
  @tool()
  async big(mib = 8): Promise<string> {
    return 'x'.repeat(mib << 20);
  }

  /** Ends with reason crash. */
  @tool()
  async crash(): Promise<void> {
    (globalThis as any).process.kill((globalThis as any).process.pid, 'SIGSEGV');
    (globalThis as any).process.reallyExit(7);
  }
}

function URL_of(code: string): string {
  return 'data:text/javascript,' + encodeURIComponent(code);
}
