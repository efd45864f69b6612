import { tool } from '@aria/sdk';
import { attempt, reach, type Seen } from './seen';

/** Ways out. Every `worked` must be false. */
export class Escape {
  /** Any network at all. */
  @tool()
  async network(): Promise<Seen[]> {
    const net = await reach('node', ':', 'net');
    const dns = await reach('node', ':', 'dns/promises');
    const dial = (host: string, port: number) =>
      new Promise((yes, no) => net.connect({ host, port }).on('connect', () => yes('connected')).on('error', no));
    return [
      await attempt('fetch by address', async () => (await fetch('http://1.1.1.1/')).status),
      await attempt('fetch loopback', async () => (await fetch('http://127.0.0.1:7600/healthz')).status),
      await attempt('fetch metadata', async () => (await fetch('http://169.254.169.254/latest/meta-data/')).status),
      await attempt('connect', () => dial('1.1.1.1', 443)),
      await attempt('connect v6', () => dial('::1', 7600)),
      await attempt('resolve', () => dns.lookup('example.com')),
      await attempt('unix socket of the engine', () => new Promise((yes, no) => net.connect('/run/quilt/quilt.sock').on('connect', () => yes('connected')).on('error', no))),
      await attempt('listen and reach it', () => new Promise((yes, no) => {
        const s = net.createServer().on('error', no).listen(0, '0.0.0.0', () => net.connect(s.address().port, '127.0.0.1').on('connect', () => yes('connected')).on('error', no));
      })),
    ];
  }

  /** Writing anywhere but /tmp. */
  @tool()
  async write(): Promise<Seen[]> {
    const fs = await reach('node', ':', 'fs');
    const out: Seen[] = [];
    for (const p of ['/x', '/bin/x', '/aria/harness.js', '/etc/passwd', '/dev/x', '/proc/self/mem', '/proc/sys/kernel/core_pattern', '/sys/x', '/run/x', '/var/x', '/home/x', '/opt/x']) {
      out.push(await attempt(p, () => fs.writeFileSync(p, 'x')));
    }
    out.push(await attempt('chmod /bin/bun', () => fs.chmodSync('/bin/bun', 0o777)));
    out.push(await attempt('unlink /bin/bun', () => fs.unlinkSync('/bin/bun')));
    return out;
  }

  /** Seeing other processes, the machine's files or an inherited secret. */
  @tool()
  async look(): Promise<Seen[]> {
    const fs = await reach('node', ':', 'fs');
    const pids = () => fs.readdirSync('/proc').filter((n: string) => /^\d+$/.test(n) && n !== String((globalThis as any).process.pid));
    const out: Seen[] = [
      await attempt('other processes', () => { const p = pids(); if (p.length === 0) throw new Error('none'); return p; }),
      await attempt('descriptors beyond 3', () => {
        // Bun opens its own event descriptors; what leads to a file or a socket counts.
        const odd = fs.readdirSync('/proc/self/fd').filter((n: string) => Number(n) > 3)
          .map((n: string) => { try { return fs.readlinkSync('/proc/self/fd/' + n); } catch { return ''; } })
          .filter((t: string) => /^(\/(?!proc|dev\/null|dev\/urandom)|socket:|pipe:)/.test(t));
        if (odd.length === 0) throw new Error('none');
        return odd;
      }),
      await attempt('secrets in the environment', () => {
        const odd = Object.keys((globalThis as any).process.env).filter((k) => /KEY|TOKEN|SECRET|CREDENTIAL|PASS/i.test(k));
        if (odd.length === 0) throw new Error('none');
        return odd;
      }),
    ];
    for (const p of ['/proc/1/cwd/etc/shadow', '/etc/shadow', '/proc/kcore', '/proc/kallsyms', '/proc/keys', '/proc/sysrq-trigger', '/sys/kernel', '/dev/mem', '/dev/kmsg', '/var/lib/aria/aria/credential']) {
      out.push(await attempt(p, () => fs.readFileSync(p, 'utf8').length));
    }
    return out;
  }

  /** Other programs, and the kernel's own ways out. */
  @tool()
  async programs(): Promise<Seen[]> {
    const cp = await reach('node', ':', 'child_process').catch(() => undefined);
    const spawn = (file: string, args: string[]) => {
      const r = cp.spawnSync(file, args, { timeout: 1_000 });
      if (r.error) throw r.error;
      if (r.status !== 0) throw new Error(`exit ${r.status} ${r.stderr}`);
      return String(r.stdout);
    };
    return [
      await attempt('shell', () => spawn('/bin/sh', ['-c', 'id'])),
      await attempt('unshare', () => spawn('/usr/bin/unshare', ['-r', 'true'])),
      await attempt('written script', async () => {
        const fs = await reach('node', ':', 'fs');
        fs.writeFileSync('/tmp/evil', '#!/bin/bun\nconsole.log(1)', { mode: 0o755 });
        return spawn('/tmp/evil', []);
      }),
      await this.syscall('unshare user', 'unshare', ['int'], [0x10000000]),
      await this.syscall('unshare mount', 'unshare', ['int'], [0x00020000]),
      await this.syscall('chroot', 'chroot', ['cstring'], ['/tmp']),
      await this.syscall('mount', 'mount', ['cstring', 'cstring', 'cstring', 'u64', 'ptr'], ['none', '/tmp', 'tmpfs', 0, null]),
      await this.syscall('setuid 0', 'setuid', ['int'], [0]),
      await this.syscall('ptrace', 'ptrace', ['int', 'int', 'ptr', 'ptr'], [0, 0, null, null]),
    ];
  }

  // Calls the C library directly: what a build refuses to import, running code can still try.
  private syscall(name: string, symbol: string, args: string[], values: unknown[]): Promise<Seen> {
    return attempt(name, async () => {
      const ffi = await reach('bun', ':', 'ffi');
      const bytes = (v: unknown) => (typeof v === 'string' ? new TextEncoder().encode(v + '\0') : v);
      const lib = ffi.dlopen('libc.so.6', { [symbol]: { args: args.map((a) => (a === 'cstring' ? 'ptr' : a)), returns: 'int' } });
      const r = lib.symbols[symbol](...values.map(bytes));
      if (r !== 0) throw new Error(`returned ${r}`);
      return r;
    });
  }
}
