// src/schemas.ts
var schemasKey = /* @__PURE__ */ Symbol.for("aria.schemas");
function keepSchemas(f, { input, output }) {
  return Object.defineProperty(f, schemasKey, { value: { input, output } });
}

// src/decorators.ts
function marker(name, kind) {
  return (_target, context) => {
    let ctx = context;
    if (typeof ctx != "object" || ctx === null || typeof ctx.kind != "string")
      throw new TypeError(
        `@${name} is a standard decorator, and this code was compiled for the legacy ones: remove "experimentalDecorators" from tsconfig.json`
      );
    if (ctx.kind !== kind)
      throw new TypeError(`@${name} belongs on a ${kind}, and "${String(ctx.name)}" is a ${ctx.kind}`);
  };
}
function factory(name, kind, decorator = marker(name, kind)) {
  return (opts) => {
    if (typeof opts == "function") throw new TypeError(`write @${name}() with parentheses`);
    return decorator;
  };
}
var plainTool = factory("tool", "method");
function toolOf(opts) {
  let mark = plainTool(opts);
  return !opts?.input && !opts?.output ? mark : (method, context) => {
    mark(method, context), keepSchemas(method, opts);
  };
}
function fn(f, opts) {
  return opts?.input || opts?.output ? keepSchemas((...args) => f(...args), opts) : f;
}
var tool = Object.assign(toolOf, { fn }), agent = factory("agent", "class"), team = factory("team", "class"), pipeline = factory("pipeline", "class"), step = factory("step", "method");

// src/errors.ts
var passing = /* @__PURE__ */ new Set(["conflict", "deadlock", "timeout", "unavailable", "interrupted", "exhausted"]), AriaError = class extends Error {
  code;
  hint;
  retryable;
  constructor(code, message, opts = {}) {
    super(message, "cause" in opts ? { cause: opts.cause } : void 0), this.name = "AriaError", this.code = code, this.hint = opts.hint, this.retryable = opts.retryable ?? passing.has(code);
  }
}, TerminalError = class extends AriaError {
  constructor(message, opts = {}) {
    super(opts.code ?? "failed", message, { ...opts, retryable: !1 }), this.name = "TerminalError";
  }
}, Conflict = class extends AriaError {
  constructor(message, opts = {}) {
    super("conflict", message, opts), this.name = "Conflict";
  }
};

// src/host.ts
var hostKey = /* @__PURE__ */ Symbol.for("aria.host");
function host() {
  return globalThis[hostKey];
}
async function call(op, args) {
  let h = host();
  if (!h)
    throw new AriaError("unavailable", `${op} needs a host, and there is none in this process`, {
      hint: 'run the unit with "arc run", or call memoryHost() of @aria/sdk/testing at the top of a test'
    });
  for (let [name, v] of Object.entries(args))
    if (typeof v == "string" && !v.isWellFormed())
      throw new AriaError("invalid", `${op}: the ${name} holds half a character (a lone surrogate)`, {
        hint: "cut text between characters, not inside one: [...text] are its characters"
      });
  try {
    return await h.call(op, args);
  } catch (e) {
    throw refused(e);
  }
}
function refused(e) {
  if (typeof e?.code != "string") return e;
  let opts = e.hint ? { hint: e.hint } : {};
  return e.code === "conflict" ? new Conflict(e.message, opts) : new AriaError(e.code, e.message, opts);
}

// src/units.ts
var Agent = class {
}, Team = class {
}, Pipeline = class {
};
function use(cls) {
  let target;
  return new Proxy({}, {
    get(_, name) {
      if (!(typeof name == "symbol" || name === "then"))
        return async (...args) => {
          target ??= reach(cls);
          let method = target[name];
          if (typeof method != "function") throw new TypeError(`${cls.name} has no method ${name}`);
          try {
            return await method.apply(target, args);
          } catch (e) {
            throw refused(e);
          }
        };
    }
  });
}
function reach(cls) {
  let h = host();
  if (h?.use) return h.use(cls);
  throw new AriaError("unimplemented", `this build cannot reach ${cls.name} from inside a unit`, {
    hint: "call its code directly, or let an agent call both units"
  });
}

// src/handle.ts
var opened = /* @__PURE__ */ new WeakMap();
function open(handle, what) {
  return opened.set(handle, what), handle;
}
function openedBy(handle) {
  return opened.get(handle);
}

// src/json.ts
function strictJSON(v, what) {
  return check(v, what, "", []), v;
}
function check(v, what, path, above) {
  switch (typeof v) {
    case "string":
      v.isWellFormed() || bad(what, path, "the text holds half a character (a lone surrogate)");
      return;
    case "boolean":
      return;
    case "number":
      Number.isFinite(v) || bad(what, path, `${v} is not JSON`);
      return;
    case "undefined":
      path === "" && bad(what, path, "undefined cannot be stored");
      return;
    case "object":
      break;
    default:
      bad(what, path, `a ${typeof v} cannot be stored`);
  }
  if (v !== null) {
    if (above.includes(v) && bad(what, path, "the value contains itself"), above.push(v), Array.isArray(v)) v.forEach((x, i) => check(x === void 0 ? null : x, what, `${path}/${i}`, above));
    else {
      let name = Object.getPrototypeOf(v)?.constructor?.name;
      (v instanceof Map || v instanceof Set || ArrayBuffer.isView(v) || v instanceof Date || v instanceof URL || v instanceof Promise) && bad(what, path, `a ${name} cannot be stored as JSON`);
      for (let [k, x] of Object.entries(v))
        k.isWellFormed() || bad(what, path, "a name holds half a character (a lone surrogate)"), check(x, what, `${path}/${k}`, above);
    }
    above.pop();
  }
}
function bad(what, path, why) {
  throw new TypeError(path ? `${what} at ${path}: ${why}` : `${what}: ${why}`);
}

// src/kvcheck.ts
function storable(key, value) {
  try {
    return strictJSON(value, `value of "${key}"`);
  } catch (e) {
    throw new AriaError("invalid", e.message, {
      hint: "store plain data: date.toISOString(), [...set], Object.fromEntries(map); delete() removes a key"
    });
  }
}
function checkKey(key, what = "key") {
  if (typeof key != "string") throw new AriaError("invalid", `a ${what} is a string, not ${key === null ? "null" : typeof key}`);
  if (!key.isWellFormed())
    throw new AriaError("invalid", `a ${what} is Unicode text; this one holds half a character (a lone surrogate)`, {
      hint: "the string was cut inside a character; encode binary keys as hex or base64url"
    });
}

// src/time.ts
var unit = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 };
function millis(d, least = 1) {
  let m = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(d), n = m ? Math.round(Number(m[1]) * unit[m[2]]) : -1;
  if (!(n >= least)) throw new AriaError("invalid", `"${d}" is not a span of time`, { hint: 'write it like "30s", "5m" or "7d"' });
  return n;
}
var pause = (ms) => new Promise((done) => setTimeout(done, ms)), backOff = (n) => pause(Math.random() * 2 ** Math.min(n, 10));

// src/kvtx.ts
var rounds = 16, most = 1e3, place = (ns, key) => `${ns}
${key}`, View = class {
  constructor(ns, round) {
    this.ns = ns;
    this.round = round;
  }
  ns;
  round;
  async get(key) {
    checkKey(key);
    let mine = this.going().writes.get(place(this.ns, key));
    if (mine) return mine.delete ? void 0 : structuredClone(mine.value);
    let e = await call("kv.get", { ns: this.ns, key, tx: this.round.id }), id = place(this.ns, key);
    return this.round.reads.has(id) || this.round.reads.set(id, { ns: this.ns, key, version: e?.version ?? 0 }), e?.value;
  }
  async list(prefix = "") {
    this.going();
    let found = /* @__PURE__ */ new Map();
    for (let after = ""; ; ) {
      let q = { ns: this.ns, prefix, after, limit: 200 }, page2 = await call("kv.list", { ...q, tx: this.round.id });
      this.round.lists.push({ ...q, sum: page2.sum });
      for (let e of page2.items) found.set(e.key, e.value);
      if (found.size > most) throw new AriaError("exhausted", `kv "${this.ns}" has more than ${most} entries under "${prefix}"`, { hint: "a transaction lists less than that; narrow the prefix" });
      if (!(after = page2.next)) break;
    }
    for (let w of this.round.writes.values())
      w.ns !== this.ns || !w.key.startsWith(prefix) || (w.delete ? found.delete(w.key) : found.set(w.key, structuredClone(w.value)));
    return [...found].map(([key, value]) => ({ key, value })).sort((a, b) => byBytes(a.key, b.key));
  }
  set(key, value, opts = {}) {
    checkKey(key);
    let ttlMs = opts.ttl === void 0 ? void 0 : millis(opts.ttl);
    this.going().writes.set(place(this.ns, key), { ns: this.ns, key, value: structuredClone(storable(key, value)), ttlMs });
  }
  delete(key) {
    checkKey(key), this.going().writes.set(place(this.ns, key), { ns: this.ns, key, delete: !0 });
  }
  going() {
    if (this.round.over) throw new AriaError("invalid", "this transaction is over", { hint: "use what tx() hands out only inside of its function, and await everything there" });
    return this.round;
  }
};
function known(h) {
  let o = openedBy(h);
  if (!o) throw new AriaError("invalid", "a transaction is over kv handles", { hint: "pass what kv() returned" });
  return o;
}
var encoder = new TextEncoder();
function byBytes(a, b) {
  let [x, y] = [encoder.encode(a), encoder.encode(b)];
  for (let i = 0; i < x.length && i < y.length; i++) if (x[i] !== y[i]) return x[i] - y[i];
  return x.length - y.length;
}
async function transact(handles, work) {
  let spaces = handles.map(known);
  for (let n = 1; ; n++) {
    let { id } = await call("kv.begin", {
      ns: spaces.filter((s) => s.writes).map((s) => s.ns),
      reads: spaces.filter((s) => !s.writes).map((s) => s.ns)
    }), round = { id, reads: /* @__PURE__ */ new Map(), lists: [], writes: /* @__PURE__ */ new Map(), over: !1 }, { done, value } = await attempt(round, spaces, work);
    if (done) return value;
    if (n === rounds)
      throw new Conflict(`${rounds} writers came between the reads and the commit of a transaction`, {
        hint: 'ask for the mode "rw", or for {hold: "tx"}, which keep other writers out'
      });
    await backOff(n);
  }
}
async function attempt(round, spaces, work) {
  let value;
  try {
    value = await work(...spaces.map((s) => new View(s.ns, round)));
  } catch (e) {
    throw round.over = !0, await call("kv.end", { id: round.id }), e;
  }
  if (round.over = !0, round.writes.size === 0 && round.reads.size + round.lists.length === 0)
    return await call("kv.end", { id: round.id }), { done: !0, value };
  try {
    await call("kv.commit", { id: round.id, reads: [...round.reads.values()], lists: round.lists, writes: [...round.writes.values()] });
  } catch (e) {
    if (e instanceof Conflict && !e.message.startsWith("stale lease")) return { done: !1 };
    throw e;
  }
  return { done: !0, value };
}
async function freeze(handles, reader2, work) {
  let spaces = handles.map(known), { id } = await call("kv.begin", { ns: spaces.map((s) => s.ns), snapshot: !0 });
  try {
    return await work(...spaces.map((s) => reader2(s.ns, id)));
  } finally {
    await call("kv.end", { id });
  }
}

// src/kv.ts
var page = 200, most2 = 1e4, tries = 16, poll = 2e4, Client = class {
  constructor(ns, snap) {
    this.ns = ns;
    this.snap = snap;
  }
  ns;
  snap;
  async get(key) {
    return (await this.getEntry(key))?.value;
  }
  async getEntry(key) {
    checkKey(key);
    let e = await call("kv.get", { ns: this.ns, key, snap: this.snap });
    return e ? { key, value: e.value, version: e.version } : void 0;
  }
  async *list(opts = {}) {
    let left = opts.limit ?? 1 / 0, after;
    for (checkKey(opts.prefix ?? "", "prefix"); left > 0; ) {
      let got = await call("kv.list", { ns: this.ns, prefix: opts.prefix ?? "", after, limit: Math.min(left, page), snap: this.snap });
      if (yield* got.items, left -= got.items.length, after = got.next || void 0, after === void 0) return;
    }
  }
  async entries(prefix) {
    let all = [];
    for await (let e of this.list({ prefix, limit: most2 + 1 })) all.push(e);
    if (all.length > most2)
      throw new AriaError("exhausted", `kv "${this.ns}" has more than ${most2} entries under "${prefix ?? ""}"`, {
        hint: "go through list() instead, which fetches page by page"
      });
    return all;
  }
  async set(key, value, opts = {}) {
    let ttlMs = opts.ttl === void 0 ? void 0 : millis(opts.ttl);
    return checkKey(key), (await call("kv.put", { ns: this.ns, key, value: storable(key, value), ttlMs })).version;
  }
  async cas(key, version, value) {
    return checkKey(key), (await call("kv.cas", { ns: this.ns, key, version, value: storable(key, value) })).version;
  }
  async delete(key) {
    return checkKey(key), (await call("kv.delete", { ns: this.ns, key })).deleted;
  }
  async update(key, change) {
    for (let i = 0; i < tries; i++) {
      let old = await this.getEntry(key), value = await change(old?.value);
      if (await this.replace(key, old?.version ?? 0, value)) return value;
      await backOff(i);
    }
    throw new Conflict(`kv "${this.ns}": ${tries} writers came between the read and the write of "${key}"`, {
      hint: 'ask for the mode "rw", which keeps other writers out while the unit runs'
    });
  }
  async tx(work) {
    return transact([this], work);
  }
  async snapshot(work) {
    return freeze([this], reader, work);
  }
  async *watch(prefix = "", opts = {}) {
    checkKey(prefix, "prefix");
    let since = opts.since;
    if (opts.initial) {
      since = (await call("kv.watch", { ns: this.ns, prefix, waitMs: 0 })).next;
      for await (let e of this.list({ prefix })) yield { type: "set", key: e.key, value: e.value, version: e.version, at: since };
    }
    for (; ; ) {
      let news = await call("kv.watch", { ns: this.ns, prefix, since, waitMs: poll }), before = since ?? news.next;
      since = news.next, news.gap && (yield { type: "gap", at: since });
      for (let [i, e] of news.events.entries())
        yield await this.event(e, i === news.events.length - 1 ? since : before);
    }
  }
  async event(e, at) {
    return e.version > 0 && e.value === void 0 && (e = { ...await call("kv.get", { ns: this.ns, key: e.key }) ?? { version: 0 }, key: e.key }), e.version === 0 ? { type: "delete", key: e.key, at } : { type: "set", key: e.key, value: e.value, version: e.version, at };
  }
  // False if somebody else wrote in between.
  async replace(key, version, value) {
    if (value === void 0 && version === 0) return !0;
    try {
      return value === void 0 ? await call("kv.cas", { ns: this.ns, key, version, value: null, delete: !0 }) : await this.cas(key, version, value), !0;
    } catch (e) {
      if (e instanceof Conflict) return !1;
      throw e;
    }
  }
}, Reader = class {
  get;
  getEntry;
  list;
  entries;
  watch;
  snapshot;
  constructor(c) {
    this.get = c.get.bind(c), this.getEntry = c.getEntry.bind(c), this.list = c.list.bind(c), this.entries = c.entries.bind(c), this.watch = c.watch.bind(c), this.snapshot = c.snapshot.bind(c);
  }
}, make = (ns, mode = "r") => {
  let client = new Client(ns), writes = mode !== "r" && mode !== "s";
  return open(client, { ns, writes }), open(writes ? client : new Reader(client), { ns, writes });
}, reader = (ns, snap) => {
  let { get, getEntry, list, entries } = new Reader(new Client(ns, snap));
  return { get, getEntry, list, entries };
}, kv = Object.assign(make, {
  tx: (handles, work) => transact(handles, work),
  snapshot: (handles, work) => freeze(handles, reader, work)
});

// src/wait.ts
var approval = async (role, data, opts = {}) => {
  let timeoutMs = opts.timeout === void 0 ? 0 : millis(opts.timeout), what;
  try {
    what = strictJSON(data ?? null, "data of the approval");
  } catch (e) {
    throw new AriaError("invalid", e.message, { hint: "show plain data" });
  }
  return call("run.approve", { role, data: what, timeoutMs });
}, sleep = async (span) => {
  await call("run.sleep", { ms: millis(span) });
};

// src/exchange.ts
var partMost = 2 << 20, bodyMost = 16 << 20, last = 0;
async function exchange(a) {
  let { url, method, headers, body, auth = "", redirect = "follow", signal } = a;
  if (body && body.length > bodyMost)
    throw new AriaError("invalid", `the body of a request has at most ${bodyMost >> 20} MiB, and this one ${body.length} bytes`, { hint: "send it in parts" });
  if (signal?.aborted) throw signal.reason;
  let args = { url, method, headers, auth, redirect };
  return signal && (args.name = ++last), body && body.length > partMost ? args.parts = await parts(body) : body && (args.body = base64(body)), response(await unless(signal, args.name, call("net.fetch", args)), signal);
}
async function parts(body) {
  let out = [];
  for (let at = 0; at < body.length; at += partMost) out.push(call("net.part", { body: base64(body.subarray(at, at + partMost)) }));
  return (await Promise.all(out)).map((p) => p.part);
}
async function unless(signal, name, asked) {
  return signal ? new Promise((resolve, reject) => {
    let stop = () => {
      call("net.close", { name }).catch(() => {
      }), reject(signal.reason);
    };
    signal.addEventListener("abort", stop, { once: !0 }), asked.then((v) => {
      signal.removeEventListener("abort", stop), resolve(v);
    }, (e) => {
      if (e?.code === "cancelled") {
        let hold = setInterval(() => {
        }, 2147483647);
        signal.aborted ? clearInterval(hold) : signal.addEventListener("abort", () => clearInterval(hold), { once: !0 });
        return;
      }
      signal.removeEventListener("abort", stop), reject(e);
    });
  }) : asked;
}
function response(r, signal) {
  let empty = r.status === 204 || r.status === 205 || r.status === 304, out = new Response(empty ? null : content(r, signal), { status: r.status, statusText: r.statusText, headers: r.headers ?? [] });
  return Object.defineProperties(out, { url: { value: r.url }, redirected: { value: r.redirected } }), out;
}
function content(first, signal) {
  if (!first.stream) return bytes(first.body);
  let { stream, again } = first, next = first, over = !1, close = () => call("net.close", { stream });
  return new ReadableStream({
    start(to) {
      signal?.addEventListener("abort", () => {
        over || (over = !0, to.error(signal.reason), close().catch(() => {
        }));
      }, { once: !0 });
    },
    async pull(to) {
      let part = next ?? await call("net.read", again ? { stream, again } : { stream });
      next = void 0, !over && (part.body && to.enqueue(bytes(part.body)), part.stream || (over = !0, to.close()));
    },
    async cancel() {
      over = !0, await close();
    }
  });
}
function bytes(text = "") {
  let s = atob(text), out = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) out[i] = s.charCodeAt(i);
  return out;
}
function base64(b) {
  let s = "";
  for (let i = 0; i < b.length; i += 32768) s += String.fromCharCode(...b.subarray(i, i + 32768));
  return btoa(s);
}

// src/net.ts
var Name = class {
  constructor(name) {
    this.name = name;
  }
  name;
  value() {
    return call("secret.get", { name: this.name });
  }
  toString() {
    return `[secret ${this.name}]`;
  }
  toJSON() {
    return this.toString();
  }
}, secret = (name) => new Name(name), Client2 = class {
  base;
  auth;
  constructor(host2, opts = {}) {
    this.base = host2.includes("://") ? host2 : `${host2.endsWith(":80") ? "http" : "https"}://${host2}`, this.auth = opts.auth ? binding(this.base, opts.auth) : "";
  }
  async fetch(input, init = {}) {
    let url = this.base.includes("*") ? String(input) : new URL(String(input), this.base).href, headers = new Headers(init.headers), body;
    if (init.body !== void 0 && init.body !== null) {
      let whole2 = new Response(init.body), type = whole2.headers.get("content-type") ?? (typeof init.body == "string" ? "text/plain;charset=UTF-8" : null);
      body = short(new Uint8Array(await whole2.arrayBuffer())), type && !headers.has("content-type") && headers.set("content-type", type);
    }
    return exchange({ url, method: init.method ?? "GET", headers: [...headers], body, auth: this.auth, redirect: init.redirect, signal: init.signal });
  }
}, net = (host2, opts) => new Client2(host2, opts);
function binding(base, auth) {
  let at = new URL(base), port = at.port || (at.protocol === "http:" ? "80" : "443"), [name, form] = "bearer" in auth ? [auth.bearer.name, "bearer"] : "basic" in auth ? [auth.basic.name, auth.user ? `basic:${auth.user}` : "basic"] : "header" in auth ? [auth.value.name, `header:${auth.header}`] : "query" in auth ? [auth.value.name, `query:${auth.query}`] : [auth.name, "bearer"];
  return `secret:${name}:${at.hostname}:${port}:${form}`;
}
function short(b) {
  if (b.length > partMost)
    throw new AriaError("invalid", `the body of a request has at most ${partMost >> 20} MiB, and this one ${b.length} bytes`, { hint: "send it in parts, or use fetch() itself" });
  return b;
}

// src/lock.ts
var Client3 = class {
  constructor(name, shared) {
    this.name = name;
    this.shared = shared;
  }
  name;
  shared;
  async hold(work) {
    let what = { name: this.name, shared: this.shared }, { id, fence } = await call("lock.take", what);
    try {
      return await work(BigInt(fence));
    } finally {
      await call("lock.drop", { id, ...what });
    }
  }
}, lock = (name, mode = "rw") => new Client3(name, mode === "r");

// src/queue.ts
var poll2 = 2e4, visible = 3e4, Item = class {
  constructor(ns, from) {
    this.ns = ns;
    this.id = from.id, this.body = from.body, this.attempt = from.claim;
  }
  ns;
  id;
  body;
  attempt;
  async ack() {
    await this.ask("queue.ack");
  }
  async nack(opts = {}) {
    return (await this.ask("queue.nack", { delayMs: opts.delay && millis(opts.delay, 0), error: opts.error })).dead;
  }
  async extend(visibility) {
    await this.more(millis(visibility));
  }
  async more(visibilityMs) {
    await this.ask("queue.extend", { visibilityMs });
  }
  ask(op, more = {}) {
    return call(op, { ns: this.ns, id: this.id, claim: this.attempt, ...more });
  }
}, Client4 = class {
  constructor(ns) {
    this.ns = ns;
  }
  ns;
  async push(body, opts = {}) {
    return (await this.send([body], opts))[0];
  }
  async pushAll(bodies, opts = {}) {
    return bodies.length === 0 ? [] : this.send(bodies, opts);
  }
  async claim(opts) {
    return (await this.take(1, opts))[0];
  }
  async claimMany(max, opts) {
    return this.take(max, opts);
  }
  async work(handle, opts = {}) {
    let visibilityMs = opts.visibility ? millis(opts.visibility) : visible, done = 0;
    for (; ; ) {
      let [item] = await this.take(1, opts);
      if (!item) return done;
      let beat = setInterval(() => {
        item.more(visibilityMs).catch(() => {
        });
      }, visibilityMs / 3);
      try {
        await handle(item.body, item);
      } catch (e) {
        clearInterval(beat), await item.nack({ error: e instanceof Error ? `${e.name}: ${e.message}` : String(e) });
        continue;
      } finally {
        clearInterval(beat);
      }
      await item.ack(), done++;
    }
  }
  async stats() {
    return call("queue.stats", { ns: this.ns });
  }
  async *dead() {
    for (let after = 0; ; ) {
      let { items } = await call("queue.dead", { ns: this.ns, after, limit: 100 });
      if (items.length === 0) return;
      for (let { pushedMs, ...d } of items) yield { ...d, pushedAt: new Date(pushedMs) };
      after = items.at(-1).id;
    }
  }
  async redrive(ids) {
    return (await call("queue.redrive", { ns: this.ns, ids })).moved;
  }
  async discard(ids) {
    return (await call("queue.discard", { ns: this.ns, ids })).removed;
  }
  async send(bodies, opts) {
    let items = bodies.map((body) => ({
      body: storable("item", body),
      delayMs: opts.delay && millis(opts.delay, 0),
      once: opts.once,
      attempts: opts.attempts,
      ttlMs: opts.ttl && millis(opts.ttl)
    }));
    return (await call("queue.push", { ns: this.ns, items })).items.map((p) => p.id);
  }
  async take(max, opts = {}) {
    if (!(Number.isInteger(max) && max > 0)) throw new AriaError("invalid", `${max} is not a number of items`);
    let visibilityMs = opts.visibility && millis(opts.visibility);
    for (let left = opts.wait ? millis(opts.wait, 0) : 0; ; left -= poll2) {
      let got = await call("queue.claim", { ns: this.ns, max, visibilityMs, waitMs: Math.min(left, poll2) });
      if (got.items.length > 0 || left <= poll2) return got.items.map((i) => new Item(this.ns, i));
    }
  }
}, Reader2 = class {
  stats;
  dead;
  constructor(c) {
    this.stats = c.stats.bind(c), this.dead = c.dead.bind(c);
  }
}, queue = ((ns, mode = "r") => {
  let c = new Client4(ns);
  return mode === "r" || mode === "s" ? new Reader2(c) : c;
});

// src/bytes.ts
var piece = 2 << 20, base642 = (b) => Buffer.from(b.buffer, b.byteOffset, b.byteLength).toString("base64"), unbase64 = (s) => new Uint8Array(Buffer.from(s, "base64")), encoder2 = new TextEncoder();
async function whole(content2) {
  if (typeof content2 == "string") return encoder2.encode(content2);
  if (content2 instanceof Uint8Array) return content2;
  if (content2 instanceof ArrayBuffer) return new Uint8Array(content2);
  if (content2 instanceof Blob) return content2.size <= piece ? new Uint8Array(await content2.arrayBuffer()) : void 0;
  if (typeof content2?.[Symbol.asyncIterator] != "function")
    throw new AriaError("invalid", "the content is neither text nor bytes", { hint: "pass a string, a Uint8Array, a Blob or a stream" });
}
async function* pieces(content2) {
  let all = await whole(content2);
  if (all) {
    for (let at = 0; at < all.length; at += piece) yield all.subarray(at, at + piece);
    return;
  }
  let held = [], size = 0;
  for await (let part of content2 instanceof Blob ? content2.stream() : content2) {
    let bytes2 = typeof part == "string" ? encoder2.encode(part) : part;
    for (let at = 0; at < bytes2.length; ) {
      let some = bytes2.subarray(at, at + piece - size);
      held.push(some), at += some.length, (size += some.length) === piece && (yield join(held), [held, size] = [[], 0]);
    }
  }
  size > 0 && (yield join(held));
}
function join(parts2) {
  let out = new Uint8Array(parts2.reduce((n, p) => n + p.length, 0)), at = 0;
  for (let p of parts2)
    out.set(p, at), at += p.length;
  return out;
}

// src/blob.ts
var Client5 = class {
  constructor(ns) {
    this.ns = ns;
  }
  ns;
  async put(name, content2, opts = {}) {
    let about = { ns: this.ns, name, type: opts.type ?? (content2 instanceof Blob ? content2.type : void 0), ttlMs: opts.ttl && millis(opts.ttl) }, all = await whole(content2);
    if (all && all.length <= piece) return stat(await call("blob.put", { ...about, data: base642(all) }));
    let { id } = await call("blob.begin", { ns: this.ns });
    try {
      let at = 0;
      for await (let p of pieces(content2)) at = (await call("blob.chunk", { id, at, data: base642(p) })).size;
      return stat(await call("blob.commit", { ...about, id }));
    } catch (e) {
      throw await call("blob.end", { id }), e;
    }
  }
  async get(name) {
    let parts2 = [];
    for await (let p of this.read(name, 0)) parts2.push(p);
    return parts2.length === 0 ? void 0 : join(parts2);
  }
  async text(name) {
    let all = await this.get(name);
    return all && new TextDecoder().decode(all);
  }
  async *stream(name, opts = {}) {
    let there = !1;
    for await (let p of this.read(name, opts.at ?? 0))
      there = !0, p.length > 0 && (yield p);
    if (!there) throw new AriaError("not_found", `blob "${this.ns}" has no "${name}"`, { hint: "list() shows what there is" });
  }
  async stat(name) {
    let s = await call("blob.stat", { ns: this.ns, name });
    return s ? stat(s) : void 0;
  }
  async *list(prefix = "") {
    for (let after = ""; ; ) {
      let page2 = await call("blob.list", { ns: this.ns, name: "any", prefix, after, limit: 200 });
      for (let s of page2.items) yield stat(s);
      if (!(after = page2.next)) return;
    }
  }
  async delete(name) {
    return (await call("blob.delete", { ns: this.ns, name })).deleted;
  }
  // At least one piece, which may be empty, unless there is no such blob.
  async *read(name, at) {
    let sha256;
    for (; ; ) {
      let got = await call("blob.read", { ns: this.ns, name, at, length: piece, sha256 });
      if (!got) return;
      let data = unbase64(got.data ?? "");
      if (yield data, sha256 = got.sha256, at += data.length, at >= got.size) return;
    }
  }
};
function stat({ atMs, ...s }) {
  return { ...s, writtenAt: new Date(atMs) };
}
var Reader3 = class {
  get;
  text;
  stream;
  stat;
  list;
  constructor(c) {
    this.get = c.get.bind(c), this.text = c.text.bind(c), this.stream = c.stream.bind(c), this.stat = c.stat.bind(c), this.list = c.list.bind(c);
  }
}, blob = ((ns, mode = "r") => {
  let c = new Client5(ns);
  return mode === "r" || mode === "s" ? new Reader3(c) : c;
});

// src/fs.ts
var last2 = 0, Client6 = class {
  constructor(ns) {
    this.ns = ns;
  }
  ns;
  async read(path) {
    let parts2 = [];
    for (let at = 0; ; ) {
      let got = await call("fs.read", { ns: this.ns, path, at, length: piece });
      if (!got) return;
      let data = unbase64(got.data ?? "");
      if (parts2.push(data), (at += data.length) >= got.size || data.length === 0) return join(parts2);
    }
  }
  async readText(path) {
    let all = await this.read(path);
    return all && new TextDecoder().decode(all);
  }
  async readAt(path, at, length) {
    let got = await call("fs.read", { ns: this.ns, path, at, length });
    return got ? unbase64(got.data ?? "") : void 0;
  }
  async stat(path) {
    let s = await call("fs.stat", { ns: this.ns, path });
    return s ? stat2(s) : void 0;
  }
  async list(dir = "") {
    let all = [];
    for (let after = ""; ; ) {
      let page2 = await call("fs.list", { ns: this.ns, path: dir, after });
      if (all.push(...page2.items.map(stat2)), !(after = page2.next)) return all;
    }
  }
  async write(path, content2) {
    let all = await whole(content2);
    if (all && all.length <= piece) return this.piece(path, 0, all, !0);
    let aside = `${path}.${Date.now().toString(36)}${++last2}.part`;
    try {
      let at = 0;
      for await (let p of pieces(content2))
        await this.piece(aside, at, p, at === 0), at += p.length;
      if (at === 0) return this.piece(path, 0, new Uint8Array(0), !0);
      await this.rename(aside, path);
    } catch (e) {
      throw await this.remove(aside), e;
    }
  }
  async append(path, content2) {
    for await (let p of pieces(content2)) await this.piece(path, -1, p, !1);
  }
  async writeAt(path, at, content2) {
    await this.piece(path, at, content2, !1);
  }
  async remove(path, opts = {}) {
    return (await call("fs.remove", { ns: this.ns, path, all: opts.all ?? !1 })).removed;
  }
  async rename(from, to) {
    await call("fs.rename", { ns: this.ns, path: from, to });
  }
  async piece(path, at, bytes2, truncate) {
    await call("fs.write", { ns: this.ns, path, at, data: base642(bytes2), truncate });
  }
};
function stat2({ modifiedMs, dir, ...s }) {
  return { ...s, dir: dir ?? !1, modifiedAt: new Date(modifiedMs) };
}
var Reader4 = class {
  read;
  readText;
  readAt;
  stat;
  list;
  constructor(c) {
    this.read = c.read.bind(c), this.readText = c.readText.bind(c), this.readAt = c.readAt.bind(c), this.stat = c.stat.bind(c), this.list = c.list.bind(c);
  }
}, fs = ((ns, mode = "r") => {
  let c = new Client6(ns);
  return mode === "r" || mode === "s" ? new Reader4(c) : c;
});

// src/vector.ts
var batch = 500, room = 3 << 20, Client7 = class {
  constructor(ns, opts) {
    this.ns = ns;
    this.opts = opts;
  }
  ns;
  opts;
  async upsert(docs) {
    let part = [], size = 0, flush = async () => {
      part.length > 0 && await call("vector.upsert", { ns: this.ns, dims: this.opts.dims, items: part }), part = [], size = 0;
    };
    for (let d of await this.ready(Array.isArray(docs) ? docs : [docs])) {
      let n = JSON.stringify(d).length;
      (part.length === batch || size + n > room) && await flush(), part.push(d), size += n;
    }
    await flush();
  }
  async delete(ids) {
    let all = typeof ids == "string" ? [ids] : [...ids], n = 0;
    for (let at = 0; at < all.length; at += batch)
      n += (await call("vector.delete", { ns: this.ns, ids: all.slice(at, at + batch) })).deleted;
    return n;
  }
  async query(q) {
    let { text, vector: vector2, k, where, min } = typeof q == "string" ? { text: q } : q, v = vector2 ?? (text !== void 0 && this.opts.embed ? (await this.opts.embed([text]))[0] : void 0);
    return (await call("vector.query", { ns: this.ns, v: v && pack(v), text: v ? void 0 : text, k, where, min })).hits;
  }
  async get(id) {
    let [d] = (await call("vector.get", { ns: this.ns, ids: [id] })).items;
    if (!d) return;
    let { v, ...rest } = d;
    return { ...rest, vector: new Float32Array(unbase64(v).buffer) };
  }
  async count() {
    return (await call("vector.info", { ns: this.ns })).count;
  }
  async ready(docs) {
    let bare = this.opts.embed ? docs.filter((d) => !d.vector && d.text !== void 0) : [], made = bare.length > 0 ? await this.opts.embed(bare.map((d) => d.text)) : [];
    return docs.map((d) => {
      let v = d.vector ?? made[bare.indexOf(d)];
      return { id: d.id, v: v && pack(v), text: d.text, meta: d.meta === void 0 ? void 0 : plain(d.id, d.meta), ttlMs: d.ttl && millis(d.ttl) };
    });
  }
};
function pack(v) {
  let f = Float32Array.from(v);
  if (f.length === 0) throw new AriaError("invalid", "a vector has at least one number");
  return base642(new Uint8Array(f.buffer));
}
function plain(id, meta) {
  try {
    return strictJSON(meta, `metadata of "${id}"`);
  } catch (e) {
    throw new AriaError("invalid", e.message, { hint: "metadata are plain data: text, numbers, true, false, null and lists of them" });
  }
}
var Reader5 = class {
  query;
  get;
  count;
  constructor(c) {
    this.query = c.query.bind(c), this.get = c.get.bind(c), this.count = c.count.bind(c);
  }
}, vector = ((ns, mode = "r", opts = {}) => {
  let c = new Client7(ns, opts);
  return mode === "r" || mode === "s" ? new Reader5(c) : c;
});

// src/llm.ts
var Client8 = class {
  constructor(model) {
    this.model = model;
  }
  model;
  async chat(input, opts = {}) {
    let messages = typeof input == "string" ? [{ role: "user", text: input }] : [...input];
    opts.system !== void 0 && messages.unshift({ role: "system", text: opts.system });
    let tools = opts.tools?.map((t) => ({ name: t.name, description: t.description, schema: t.input ?? { type: "object", properties: {} } })), r = await call("llm.chat", {
      model: this.model,
      messages,
      tools,
      choice: opts.toolChoice === "auto" ? void 0 : opts.toolChoice,
      output: opts.schema,
      maxTokens: opts.maxTokens,
      temperature: opts.temperature
    }), toolCalls = (r.toolCalls ?? []).map((c) => ({ id: c.id, name: c.name, input: parsed(c.arguments), arguments: c.arguments, signature: c.signature }));
    return { text: r.text, toolCalls, stop: r.stop, usage: r.usage };
  }
  async text(input, opts) {
    let r = await this.chat(input, opts);
    if (r.stop === "filter") throw new AriaError("failed", `${this.model} refuses to answer: ${r.text}`);
    if (r.stop === "length") throw new AriaError("exhausted", `the answer of ${this.model} was cut at its bound`, { hint: "raise maxTokens", retryable: !1 });
    return r.text;
  }
  async generate(input, opts = {}) {
    let { schema, check: check2, ...rest } = opts, messages = typeof input == "string" ? [{ role: "user", text: input }] : [...input];
    schema === void 0 && messages.push({ role: "user", text: "Answer with JSON and nothing else." });
    let wrong = "";
    for (let round = 0; round < 2; round++) {
      let text = await this.text(messages, { ...rest, schema });
      try {
        return await accept(text, check2);
      } catch (e) {
        wrong = e.message, messages.push({ role: "assistant", text }, { role: "user", text: `That does not fit: ${wrong}. Answer again, with the corrected JSON and nothing else.` });
      }
    }
    throw new AriaError("failed", `${this.model} twice gave an answer that does not fit: ${wrong}`);
  }
  async embed(input) {
    let one = typeof input == "string";
    if (!one && input.length === 0) return [];
    let r = await call("llm.embed", { model: this.model, input: one ? [input] : input });
    return one ? r.vectors[0] : r.vectors;
  }
};
async function accept(text, check2) {
  let fence = /^```(?:json)?\s*([\s\S]*?)\s*```$/.exec(text.trim()), value = JSON.parse(fence ? fence[1] : text);
  if (!check2) return value;
  if (typeof check2 == "function") return check2(value);
  let got = await check2["~standard"].validate(value);
  if (!got.issues) return got.value;
  throw new Error(got.issues.map((i) => i.message).join("; "));
}
function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    return;
  }
}
var llm = (model) => new Client8(model);

// src/log.ts
function write(level, text, fields) {
  let h = host();
  h ? h.log(level, String(text), fields) : console[level](text, ...fields ? [fields] : []);
}
var log = {
  debug: (text, fields) => write("debug", text, fields),
  info: (text, fields) => write("info", text, fields),
  warn: (text, fields) => write("warn", text, fields),
  error: (text, fields) => write("error", text, fields)
};

// src/stop.ts
var never, stopSignal = () => host()?.stop?.() ?? (never ??= new AbortController().signal);
export {
  Agent,
  AriaError,
  Conflict,
  Pipeline,
  Team,
  TerminalError,
  agent,
  approval,
  blob,
  fs,
  kv,
  llm,
  lock,
  log,
  net,
  pipeline,
  queue,
  secret,
  sleep,
  step,
  stopSignal,
  team,
  tool,
  use,
  vector
};
