// Ways to get out of a container, each a method of a class that holds the tokens
// on its right. PLAIN and TLS are ports of servers that the operator opened,
// CLOSED is one that nobody may reach.
import net from 'node:net';
import http from 'node:http';
import https from 'node:https';
import tls from 'node:tls';
import { net as host, secret, tool } from '@aria/sdk';

const gate = '127.0.0.1:4180';

/** Sends bytes to the gate and gives back what comes, until it ends or is silent. */
function raw(text: string, then?: (s: any) => void): Promise<string> {
  return new Promise((done) => {
    let got = '';
    const s = net.connect({ host: '127.0.0.1', port: 4180 }, () => s.write(text));
    const end = () => { s.destroy(); done(got); };
    s.setTimeout(1500, end);
    s.on('data', (d: any) => { got += d.toString('latin1'); if (then && /^HTTP\/1\.1 200/.test(got)) { const t = then; then = undefined; t(s); } });
    s.on('error', (e: any) => { got += ` ${e}`; end(); });
    s.on('close', end);
  });
}

const get = async (url: string, init?: RequestInit) => { const r = await fetch(url, init); return `${r.status} ${await r.text()}`; };
const request = (url: string) => new Promise<string>((ok, no) => {
  const on = (r: any) => { let t = ''; r.on('data', (d: any) => { t += d; }); r.on('end', () => ok(`${r.statusCode} ${t}`)); };
  (url.startsWith('https') ? https : http).get(url, on).on('error', no);
});
const socket = (url: string, opts?: object) => new Promise<string>((ok, no) => {
  const w = new WebSocket(url, opts);
  w.onopen = () => ok('open');
  w.onerror = (e: any) => no(new Error(e.message));
});

async function told(f: () => Promise<string>): Promise<string> {
  try {
    return await f();
  } catch (e: any) {
    return `${e?.code ?? ''} ${e?.message ?? e} ${e?.hint ?? ''}`;
  }
}

const ways: Record<string, () => Promise<string>> = {
  'http to another host': () => get('http://evil.test/'),
  'https to another host': () => get('https://evil.test/'),
  'another port of a granted host': () => get('http://api.test:CLOSED/'),
  'the default port of a granted host': () => get('http://api.test/'),
  'a name above a granted one': () => get('http://test:PLAIN/'),
  'a name below a granted one': () => get('http://x.api.test:PLAIN/'),
  'a literal loopback address': () => get('http://127.0.0.1:CLOSED/'),
  'the metadata service': () => get('http://169.254.169.254/latest/meta-data/'),
  'localhost': () => get('http://localhost:CLOSED/'),
  'node:http': () => request('http://evil.test/'),
  'node:https': () => request('https://evil.test/'),
  'a WebSocket in a tunnel': () => socket('wss://evil.test/', { proxy: `http://${gate}` }),
  'a redirect to another host': () => get('http://api.test:PLAIN/to?http://evil.test/'),
  'a redirect to loopback': () => get('http://api.test:PLAIN/to?http://127.0.0.1:CLOSED/'),
  'a redirect from http to https elsewhere': () => get('http://api.test:PLAIN/to?https://evil.test/'),
  'an octal address': () => raw('GET http://0177.0.0.1:CLOSED/ HTTP/1.1\r\nHost: 0177.0.0.1:CLOSED\r\n\r\n'),
  'a hexadecimal address': () => raw('GET http://0x7f.0.0.1:CLOSED/ HTTP/1.1\r\nHost: 0x7f.0.0.1:CLOSED\r\n\r\n'),
  'a decimal address': () => raw('GET http://2130706433:CLOSED/ HTTP/1.1\r\nHost: 2130706433:CLOSED\r\n\r\n'),
  'a short address': () => raw('GET http://127.1:CLOSED/ HTTP/1.1\r\nHost: 127.1:CLOSED\r\n\r\n'),
  'an IPv6 loopback address': () => raw('GET http://[::1]:CLOSED/ HTTP/1.1\r\nHost: [::1]:CLOSED\r\n\r\n'),
  'a mapped IPv6 address': () => raw('GET http://[::ffff:127.0.0.1]:CLOSED/ HTTP/1.1\r\nHost: [::ffff:127.0.0.1]:CLOSED\r\n\r\n'),
  'an IPv6 address with a zone': () => raw('GET http://[fe80::1%25lo]:CLOSED/ HTTP/1.1\r\nHost: [fe80::1%25lo]:CLOSED\r\n\r\n'),
  'a final dot': () => raw('GET http://api.test.:PLAIN/ HTTP/1.1\r\nHost: api.test.:PLAIN\r\n\r\n'),
  'a name in another script': () => raw('CONNECT \u00e4pi.test:PLAIN HTTP/1.1\r\nHost: \u00e4pi.test:PLAIN\r\n\r\n'),
  'a percent sign in the host': () => raw('CONNECT api.test%2eevil.test:443 HTTP/1.1\r\nHost: api.test%2eevil.test:443\r\n\r\n'),
  'a user name before the host': () => raw('GET http://api.test:PLAIN@127.0.0.1:CLOSED/ HTTP/1.1\r\nHost: 127.0.0.1:CLOSED\r\n\r\n'),
  'a user name in CONNECT': () => raw('CONNECT api.test:PLAIN@127.0.0.1:CLOSED HTTP/1.1\r\nHost: api.test:PLAIN@127.0.0.1:CLOSED\r\n\r\n'),
  'CONNECT to a port that is not granted': () => raw('CONNECT api.test:22 HTTP/1.1\r\nHost: api.test:22\r\n\r\n'),
  'CONNECT to an address': () => raw('CONNECT 127.0.0.1:CLOSED HTTP/1.1\r\nHost: 127.0.0.1:CLOSED\r\n\r\n'),
  'CONNECT with another Host header': () => raw('CONNECT api.test:TLS HTTP/1.1\r\nHost: evil.test:443\r\n\r\n'),
  'plain HTTP in a tunnel': () => raw('CONNECT api.test:PLAIN HTTP/1.1\r\nHost: api.test:PLAIN\r\n\r\n', (s) => s.write('GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n')),
  'another protocol in a tunnel': () => raw('CONNECT api.test:PLAIN HTTP/1.1\r\nHost: api.test:PLAIN\r\n\r\n', (s) => s.write('SSH-2.0-x\r\n')),
  'another name in the tunnel\'s TLS': () => raw('CONNECT api.test:TLS HTTP/1.1\r\nHost: api.test:TLS\r\n\r\n', (s) => { tls.connect({ socket: s, servername: 'evil.test', rejectUnauthorized: false }).on('error', () => {}); }),
  'no name in the tunnel\'s TLS': () => raw('CONNECT api.test:TLS HTTP/1.1\r\nHost: api.test:TLS\r\n\r\n', (s) => { tls.connect({ socket: s, servername: '', rejectUnauthorized: false }).on('error', () => {}); }),
  'a target and another Host header': () => raw('GET http://api.test:PLAIN/ HTTP/1.1\r\nHost: evil.test\r\n\r\n'),
  'fetch with another Host header': () => get('http://api.test:PLAIN/', { headers: { Host: 'evil.test' } }),
  'a foreign Host in origin form': () => raw('GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n'),
  'an https target in the clear': () => raw('GET https://evil.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n'),
  'ftp': () => raw('GET ftp://evil.test/x HTTP/1.1\r\nHost: evil.test\r\n\r\n'),
  'gopher': () => raw('GET gopher://evil.test/x HTTP/1.1\r\nHost: evil.test\r\n\r\n'),
};

// What is wrong with these is their form, whatever the tokens are.
const malformed: Record<string, string> = {
  'two Host headers': 'GET http://api.test:PLAIN/ HTTP/1.1\r\nHost: api.test:PLAIN\r\nHost: evil.test\r\n\r\n',
  'a folded header': 'GET http://api.test:PLAIN/ HTTP/1.1\r\nHost: api.test:PLAIN\r\nX: a\r\n Host: evil.test\r\n\r\n',
  'two lengths': 'POST http://api.test:PLAIN/ HTTP/1.1\r\nHost: api.test:PLAIN\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET http://evil.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n',
  'a space before the colon': 'GET http://api.test:PLAIN/ HTTP/1.1\r\nHost : evil.test\r\nHost: api.test:PLAIN\r\n\r\n',
  'an odd transfer encoding': 'POST http://api.test:PLAIN/ HTTP/1.1\r\nHost: api.test:PLAIN\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
  'a change of protocol': 'GET http://api.test:PLAIN/ HTTP/1.1\r\nHost: api.test:PLAIN\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  'bare line feeds': 'GET http://api.test:PLAIN/ HTTP/1.1\nHost: evil.test\n\n\r\n\r\n',
  'HTTP/1.0': 'GET http://evil.test/ HTTP/1.0\r\n\r\n',
};

export class Granted {
  plain = host('http://api.test:PLAIN');
  secure = host('api.test:TLS');

  /** Try a way. */
  @tool() async go(way: string): Promise<string> { return told(ways[way]!); }

  /** Try a request of a bad form. */
  @tool() async form(way: string): Promise<string> { return told(() => raw(malformed[way]!)); }

  /** What was granted works. */
  @tool() async fine(): Promise<string> {
    const second = await raw('GET http://api.test:PLAIN/one HTTP/1.1\r\nHost: api.test:PLAIN\r\n\r\nGET http://api.test:PLAIN/two HTTP/1.1\r\nHost: api.test:PLAIN\r\n\r\n');
    return [await get('http://api.test:PLAIN/'), await get('https://api.test:TLS/'), await (await this.secure.fetch('/')).text(),
      await request('http://api.test:PLAIN/'), (second.match(/HTTP\/1\.1/g) ?? []).length].join('|');
  }

  /** Ask the handle for another host. */
  @tool() async handle(url: string): Promise<string> { return told(async () => (await this.secure.fetch(url)).text()); }
}

/** Names that a token allows and that lead where none does. */
export class Inward {
  a = host('http://loopback.test:CLOSED'); b = host('http://metadata.test'); c = host('http://private.test:CLOSED'); d = host('http://carrier.test:CLOSED');
  e = host('http://six.test:CLOSED'); f = host('http://mapped.test:CLOSED'); g = host('http://nat64.test:CLOSED'); h = host('http://multicast.test:CLOSED');
  i = host('http://zero.test:CLOSED'); j = host('http://local.test:CLOSED'); k = host('http://sixtofour.test:CLOSED'); l = host('http://broadcast.test:CLOSED');
  m = host('http://127.0.0.1:CLOSED'); n = host('http://[::1]:CLOSED'); o = host('http://169.254.169.254'); p = host('loopback.test:CLOSED');
  q = host('http://mixed.test:CLOSED'); r = host('http://azure.test'); s = host('http://own.test:CLOSED');

  /** Go there with an unmodified fetch. */
  @tool() async go(url: string): Promise<string> { return told(() => get(url)); }

  /** Go there with the handle. */
  @tool() async handle(url: string): Promise<string> { return told(async () => (await this.a.fetch(url)).text()); }
}

/** A name whose second answer is another address. */
export class Rebound {
  a = host('http://rebind.test:PLAIN');

  /** Go there twice. */
  @tool() async go(): Promise<string> {
    const first = await told(() => get('http://rebind.test:PLAIN/close'));
    return `first ${first}, second ${await told(() => get('http://rebind.test:PLAIN/close'))}`;
  }
}

/** A secret for one host. */
export class Bound {
  api = host('api.test:TLS', { auth: secret('EGRESS_KEY') });
  other = host('http://api.test:PLAIN');

  /** Send the secret elsewhere, or in the clear. */
  @tool() async go(url: string): Promise<string> { return told(async () => (await this.api.fetch(url)).text()); }

  /** Ask for its value. */
  @tool() async value(): Promise<string> { return told(() => secret('EGRESS_KEY').value()); }
}

/** Nothing at all. */
export class Nothing {
  /** Go there. */
  @tool() async go(url: string): Promise<string> { return told(() => get(url)); }
}
