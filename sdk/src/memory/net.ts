// The net handle in a test: an answer function stands for all servers.
import type { MemoryHost } from '../../dist/testing';

type Answer = Parameters<MemoryHost['onFetch']>[0];

export class MemoryNet {
  answer?: Answer;

  readonly ops = {
    'net.fetch': async (a: any) => {
      if (!this.answer) throw { code: 'unavailable', message: `no server answers ${a.url} in a test`, hint: 'host.onFetch(request => new Response(...))' };
      const body = a.body === undefined ? undefined : Uint8Array.from(atob(a.body), (c) => c.charCodeAt(0));
      const r = await this.answer(new Request(a.url, { method: a.method, headers: a.headers, body }), a.auth ? a.auth.split(':')[1] : undefined);
      const text = Array.from(new Uint8Array(await r.arrayBuffer()), (b) => String.fromCharCode(b)).join('');
      return { status: r.status, statusText: r.statusText, url: a.url, redirected: false, headers: [...r.headers], body: btoa(text) };
    },
    'secret.get': (a: any) => {
      throw { code: 'denied', message: `the value of secret:${a.name} never enters a container`, hint: `bind it to a host: net('api.example.com', { auth: secret('${a.name}') })` };
    },
  };

  reset(): void {
    this.answer = undefined;
  }
}
