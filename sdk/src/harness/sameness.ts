// What makes a unit do the same again when it is taken up after a crash: its
// clock and its chance. The clock starts where the run did and moves with the
// answers it gets and with its timers; `performance.now()` is the machine's.
// Randomness is ChaCha20 over a seed that is kept with the run.
//
// What is put in place is the machine's own until sameness() says otherwise: code
// that was loaded before its run was known may have kept it.

const RealDate = Date;
const realNow = Date.now;
let same = false;
let now = 0;
let readings = 0;
let looked: (() => void) | undefined;

// A loop that waits for the clock must end: every thousandth look moves it.
const look = (): number => {
  if (!same) return own(realNow);
  if (++readings % 1000 === 0) now++;
  return now;
};

// The machine's own, and whoever watches is told.
function own<T>(f: () => T): T {
  looked?.();
  return f();
}

/** The clock shows at least t, in Unix milliseconds. */
export function advance(t: number): void {
  if (t > now) now = t;
}

/** From here on the clock starts at clock and chance grows from seed, 64 hex digits. */
export function sameness(clock: number, seed: string): void {
  if (before.length === 0) place();
  now = clock;
  readings = 0;
  grow(seed);
  same = true;
}

/** Until the result is called, on() hears of every look at clock, chance or a timer. */
export function watch(on: () => void): () => void {
  if (before.length === 0) place();
  looked = on;
  return () => (looked = undefined);
}

/**
 * Puts all in place once, uses it and takes it back: a container that is parked
 * then has ready what the runtime makes at first use (half a millisecond).
 */
export function rehearse(): void {
  sameness(0, '0'.repeat(64));
  new Date(Date.now()).toISOString();
  Math.random();
  crypto.randomUUID();
  for (const back of before.reverse()) back();
  before = [];
  same = false;
}

// How to take back what was put in place, latest last.
let before: (() => void)[] = [];

function put(on: any, name: string, value: unknown): void {
  const was = Object.getOwnPropertyDescriptor(on, name);
  before.push(() => (was ? Object.defineProperty(on, name, was) : delete on[name]));
  on[name] = value;
}

function place(): void {
  put(RealDate, 'now', look);
  const proxy: DateConstructor = new Proxy(RealDate, {
    construct: (target, args, self) => Reflect.construct(target, args.length > 0 ? args : [look()], self === proxy ? target : self),
    apply: () => new RealDate(look()).toString(),
  });
  put(RealDate.prototype, 'constructor', proxy);
  put(globalThis, 'Date', proxy);
  timers();
  chance();
}

// A timer that went off says that its time has passed.
function timers(): void {
  const g = globalThis as any;
  for (const name of ['setTimeout', 'setInterval']) {
    const real = g[name];
    put(g, name, Object.assign((f: unknown, ms = 0, ...args: unknown[]) => {
      if (typeof f !== 'function' || !same) return own(() => real(f, ms, ...args));
      let due = now + (Number(ms) || 0);
      return real((...a: unknown[]) => {
        advance(due);
        due = now + (Number(ms) || 0);
        return (f as Function)(...a);
      }, ms, ...args);
    }, real));
  }
  const sleep = (Bun as any).sleep;
  put(Bun, 'sleep', (t: number | Date) => {
    if (!same) return own(() => sleep(t));
    const ms = typeof t === 'number' ? t : t.getTime() - now;
    const due = now + ms;
    return sleep(ms).then(() => advance(due));
  });
}

const state = new Uint32Array(16);
const block = new Uint32Array(16);
const bytes = new Uint8Array(block.buffer);
let at = 64;

function grow(seed: string): void {
  state.fill(0);
  state.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
  for (let i = 0; i < 8; i++) state[4 + i] = parseInt(seed.slice(8 * i, 8 * i + 8), 16);
  at = 64;
}

function fill(into: Uint8Array): void {
  for (let i = 0; i < into.length; i++) {
    if (at === 64) {
      chacha(state, block);
      state[12]!++; // 256 GiB before it comes round
      at = 0;
    }
    into[i] = bytes[at++]!;
  }
}

function chance(): void {
  const eight = new Uint8Array(8);
  const view = new DataView(eight.buffer);
  const random = Math.random;
  put(Math, 'random', () => {
    if (!same) return own(random);
    fill(eight);
    return (view.getUint32(0) * 0x200000 + (view.getUint32(4) >>> 11)) / 2 ** 53;
  });
  const crypto = (globalThis as any).crypto;
  const { getRandomValues, randomUUID } = crypto;
  put(crypto, 'getRandomValues', (into: ArrayBufferView) => {
    if (!same) return own(() => getRandomValues.call(crypto, into));
    if (into.byteLength > 65536) throw new RangeError('getRandomValues fills at most 65536 bytes');
    fill(new Uint8Array(into.buffer, into.byteOffset, into.byteLength));
    return into;
  });
  put(crypto, 'randomUUID', () => {
    if (!same) return own(() => randomUUID.call(crypto));
    const b = new Uint8Array(16);
    fill(b);
    b[6] = (b[6]! & 15) | 64;
    b[8] = (b[8]! & 63) | 128;
    const hex = Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  });
}

// One block of ChaCha20 (RFC 8439, 2.3).
function chacha(state: Uint32Array, out: Uint32Array): void {
  out.set(state);
  const quarter = (a: number, b: number, c: number, d: number): void => {
    out[a]! += out[b]!; out[d] = turn(out[d]! ^ out[a]!, 16);
    out[c]! += out[d]!; out[b] = turn(out[b]! ^ out[c]!, 12);
    out[a]! += out[b]!; out[d] = turn(out[d]! ^ out[a]!, 8);
    out[c]! += out[d]!; out[b] = turn(out[b]! ^ out[c]!, 7);
  };
  for (let i = 0; i < 10; i++) {
    quarter(0, 4, 8, 12); quarter(1, 5, 9, 13); quarter(2, 6, 10, 14); quarter(3, 7, 11, 15);
    quarter(0, 5, 10, 15); quarter(1, 6, 11, 12); quarter(2, 7, 8, 13); quarter(3, 4, 9, 14);
  }
  for (let i = 0; i < 16; i++) out[i]! += state[i]!;
}

function turn(x: number, n: number): number {
  return (x << n) | (x >>> (32 - n));
}
