// @bun @bun-cjs
(function(exports, require, module, __filename, __dirname) {

// src/errors.ts
var passing = /* @__PURE__ */ new Set(["conflict", "deadlock", "timeout", "unavailable", "interrupted", "exhausted"]), AriaError = class extends Error {
  code;
  hint;
  retryable;
  constructor(code3, message, opts = {}) {
    super(message, "cause" in opts ? { cause: opts.cause } : void 0), this.name = "AriaError", this.code = code3, this.hint = opts.hint, this.retryable = opts.retryable ?? passing.has(code3);
  }
};
var Conflict = class extends AriaError {
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

// src/schemas.ts
var schemasKey = /* @__PURE__ */ Symbol.for("aria.schemas");
async function through(f, side, v) {
  let schema = f[schemasKey]?.[side];
  if (!schema) return v;
  let r = await schema["~standard"].validate(v);
  if (!r.issues) return r.value;
  let all = r.issues.map(({ message, path = [] }) => {
    let at2 = path.map((p) => "/" + String(typeof p == "object" ? p.key : p)).join("");
    return at2 ? `${at2}: ${message}` : message;
  });
  throw {
    name: "AriaError",
    code: side === "input" ? "invalid" : "failed",
    retryable: !1,
    stack: "",
    message: `${side} ${all.slice(0, 5).join("; ")}${all.length > 5 ? ` and ${all.length - 5} more` : ""}`,
    hint: side === "input" ? "the schema of the tool says what it takes" : "the tool returned what its own schema does not allow"
  };
}

// src/harness/channel.ts
var { parse, stringify } = JSON, encoder = new TextEncoder(), decoder = new TextDecoder(), { sleepSync } = Bun, socket, held = new Uint8Array(0), frames = [], turning = !1, { setImmediate: setImmediate2 } = globalThis;
function connect(open3, on2, lost) {
  Bun.connect({
    fd: 3,
    socket: {
      binaryType: "uint8array",
      open(s) {
        socket = s, open3();
      },
      data: (_, chunk) => take(chunk, on2),
      close: lost,
      error: lost
    }
  });
}
function keepAlive(keep) {
  keep ? socket.ref() : socket.unref();
}
function send(frame2) {
  let buf = encode(frame2);
  return buf && write(buf), buf !== void 0;
}
function encode(frame2) {
  let text2 = encoder.encode(stringify(frame2));
  if (text2.length > 4194304) return;
  let buf = new Uint8Array(4 + text2.length);
  return new DataView(buf.buffer).setUint32(0, text2.length), buf.set(text2, 4), buf;
}
function write(buf) {
  for (let at2 = 0; at2 < buf.length; ) {
    let n = socket.write(at2 === 0 ? buf : buf.subarray(at2));
    n < 0 && process.reallyExit(1), at2 += n, n === 0 && sleepSync(0.2);
  }
}
function take(chunk, on2) {
  let data = chunk;
  held.length > 0 && (data = new Uint8Array(held.length + chunk.length), data.set(held), data.set(chunk, held.length));
  let at2 = 0;
  for (; data.length - at2 >= 4; ) {
    let end = at2 + 4 + new DataView(data.buffer, data.byteOffset + at2).getUint32(0);
    if (data.length < end) break;
    frames[frames.length] = parse(decoder.decode(data.subarray(at2 + 4, end))), at2 = end;
  }
  held = data.slice(at2), turning || turn(on2);
}
function turn(on2) {
  let frame2 = frames.shift();
  turning = frames.length > 0, turning && setImmediate2(() => turn(on2)), frame2 !== void 0 && on2(frame2);
}

// src/harness/sameness.ts
var RealDate = Date, realNow = Date.now, same = !1, now = 0, readings = 0, looked, look = () => same ? (++readings % 1e3 === 0 && now++, now) : own(realNow);
function own(f) {
  return looked?.(), f();
}
function advance(t) {
  t > now && (now = t);
}
function sameness(clock, seed) {
  before.length === 0 && place(), now = clock, readings = 0, grow(seed), same = !0;
}
function watch(on2) {
  return before.length === 0 && place(), looked = on2, () => looked = void 0;
}
function rehearse() {
  sameness(0, "0".repeat(64)), new Date(Date.now()).toISOString(), Math.random(), crypto.randomUUID();
  for (let back of before.reverse()) back();
  before = [], same = !1;
}
var before = [];
function put(on2, name, value) {
  let was = Object.getOwnPropertyDescriptor(on2, name);
  before.push(() => was ? Object.defineProperty(on2, name, was) : delete on2[name]), on2[name] = value;
}
function place() {
  put(RealDate, "now", look);
  let proxy = new Proxy(RealDate, {
    construct: (target2, args, self2) => Reflect.construct(target2, args.length > 0 ? args : [look()], self2 === proxy ? target2 : self2),
    apply: () => new RealDate(look()).toString()
  });
  put(RealDate.prototype, "constructor", proxy), put(globalThis, "Date", proxy), timers(), chance();
}
function timers() {
  let g = globalThis;
  for (let name of ["setTimeout", "setInterval"]) {
    let real2 = g[name];
    put(g, name, Object.assign((f, ms = 0, ...args) => {
      if (typeof f != "function" || !same) return own(() => real2(f, ms, ...args));
      let due = now + (Number(ms) || 0);
      return real2((...a) => (advance(due), due = now + (Number(ms) || 0), f(...a)), ms, ...args);
    }, real2));
  }
  let sleep = Bun.sleep;
  put(Bun, "sleep", (t) => {
    if (!same) return own(() => sleep(t));
    let ms = typeof t == "number" ? t : t.getTime() - now, due = now + ms;
    return sleep(ms).then(() => advance(due));
  });
}
var state = new Uint32Array(16), block = new Uint32Array(16), bytes = new Uint8Array(block.buffer), at = 64;
function grow(seed) {
  state.fill(0), state.set([1634760805, 857760878, 2036477234, 1797285236]);
  for (let i = 0; i < 8; i++) state[4 + i] = parseInt(seed.slice(8 * i, 8 * i + 8), 16);
  at = 64;
}
function fill(into) {
  for (let i = 0; i < into.length; i++)
    at === 64 && (chacha(state, block), state[12]++, at = 0), into[i] = bytes[at++];
}
function chance() {
  let eight = new Uint8Array(8), view = new DataView(eight.buffer), random = Math.random;
  put(Math, "random", () => same ? (fill(eight), (view.getUint32(0) * 2097152 + (view.getUint32(4) >>> 11)) / 2 ** 53) : own(random));
  let crypto2 = globalThis.crypto, { getRandomValues, randomUUID } = crypto2;
  put(crypto2, "getRandomValues", (into) => {
    if (!same) return own(() => getRandomValues.call(crypto2, into));
    if (into.byteLength > 65536) throw new RangeError("getRandomValues fills at most 65536 bytes");
    return fill(new Uint8Array(into.buffer, into.byteOffset, into.byteLength)), into;
  }), put(crypto2, "randomUUID", () => {
    if (!same) return own(() => randomUUID.call(crypto2));
    let b = new Uint8Array(16);
    fill(b), b[6] = b[6] & 15 | 64, b[8] = b[8] & 63 | 128;
    let hex = Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  });
}
function chacha(state2, out) {
  out.set(state2);
  let quarter = (a, b, c, d) => {
    out[a] += out[b], out[d] = turn2(out[d] ^ out[a], 16), out[c] += out[d], out[b] = turn2(out[b] ^ out[c], 12), out[a] += out[b], out[d] = turn2(out[d] ^ out[a], 8), out[c] += out[d], out[b] = turn2(out[b] ^ out[c], 7);
  };
  for (let i = 0; i < 10; i++)
    quarter(0, 4, 8, 12), quarter(1, 5, 9, 13), quarter(2, 6, 10, 14), quarter(3, 7, 11, 15), quarter(0, 5, 10, 15), quarter(1, 6, 11, 12), quarter(2, 7, 8, 13), quarter(3, 4, 9, 14);
  for (let i = 0; i < 16; i++) out[i] += state2[i];
}
function turn2(x, n) {
  return x << n | x >>> 32 - n;
}

// src/harness/stop.ts
var controller, why;
function signal() {
  return controller || (controller = new AbortController(), why && controller.abort(why)), controller.signal;
}
function stop(message) {
  return why ? !0 : (why = Object.assign(new Error(message), { name: "AriaError", code: "cancelled", retryable: !1 }), controller?.abort(why), controller !== void 0);
}

// src/harness/values.ts
function revive(args, list) {
  for (let { arg, path, type } of list) {
    let steps = [arg, ...path.split("/").slice(1).map((s) => s.replaceAll("~1", "/").replaceAll("~0", "~"))];
    walk(args, steps, 0, type);
  }
}
function walk(at2, steps, i, type) {
  if (at2 === null || typeof at2 != "object") return;
  let keys = steps[i] === "*" ? at2 instanceof Map ? [...at2.keys()] : Object.keys(at2) : [steps[i]];
  for (let k of keys) {
    let inMap = at2 instanceof Map;
    if (inMap ? !at2.has(k) : !Object.hasOwn(at2, k)) continue;
    let v = inMap ? at2.get(k) : at2[k];
    i < steps.length - 1 ? walk(v, steps, i + 1, type) : v !== null && (inMap ? at2.set(k, rich(v, type)) : at2[k] = rich(v, type));
  }
}
function rich(v, type) {
  switch (type) {
    case "date":
      return typeof v == "string" ? new Date(v) : v;
    case "bigint":
      return typeof v == "string" || typeof v == "number" ? BigInt(v) : v;
    case "bytes":
      return typeof v == "string" ? new Uint8Array(Buffer.from(v, "base64")) : v;
    case "url":
      return typeof v == "string" ? new URL(v) : v;
    case "set":
      return Array.isArray(v) ? new Set(v) : v;
    case "map":
      return Array.isArray(v) ? new Map(v) : typeof v == "object" ? new Map(Object.entries(v)) : v;
  }
  return v;
}
var Uncrossable = class extends TypeError {
  constructor(path, why2) {
    super(why2);
    this.path = path;
  }
  path;
}, deepest = 400;
function plain(v, path = "", above = []) {
  switch (typeof v) {
    case "string":
    case "boolean":
      return v;
    case "undefined":
      return null;
    case "bigint":
      return v.toString();
    case "number":
      if (Number.isFinite(v)) return v;
      throw new Uncrossable(path, `${v} is not a JSON number`);
    case "object":
      break;
    default:
      throw new Uncrossable(path, `a ${typeof v} cannot cross`);
  }
  if (v === null) return null;
  if (above.includes(v)) throw new Uncrossable(path, "the value contains itself");
  if (above.length >= deepest) throw new Uncrossable(path, `the value is nested more than ${deepest} deep`);
  above.push(v);
  let out = object(v, path, above);
  return above.pop(), out;
}
function object(v, path, above) {
  if (Array.isArray(v)) return Array.from(v, (x, i) => plain(x, `${path}/${i}`, above));
  if (v instanceof Date) {
    if (Number.isNaN(v.getTime())) throw new Uncrossable(path, "the Date is invalid");
    return v.toISOString();
  }
  if (v instanceof URL) return v.href;
  if (v instanceof Set) return Array.from(v, (x, i) => plain(x, `${path}/${i}`, above));
  if (v instanceof Map) return map(v, path, above);
  if (ArrayBuffer.isView(v)) return Buffer.from(v.buffer, v.byteOffset, v.byteLength).toString("base64");
  if (v instanceof ArrayBuffer) return Buffer.from(v).toString("base64");
  if (v instanceof Promise) throw new Uncrossable(path, 'it is a promise: an "await" is missing');
  if (v instanceof Error) throw new Uncrossable(path, "an Error cannot cross: throw it, or return its message");
  if (v instanceof WeakMap || v instanceof WeakSet || v instanceof RegExp) throw new Uncrossable(path, `a ${v.constructor.name} cannot cross`);
  if (typeof v.toJSON == "function") return plain(v.toJSON(), path, above);
  let out = { __proto__: null };
  for (let k of Object.keys(v)) {
    let x = v[k];
    x !== void 0 && (out[k] = plain(x, `${path}/${k.replaceAll("~", "~0").replaceAll("/", "~1")}`, above));
  }
  return out;
}
function map(m, path, above) {
  let keys = [...m.keys()];
  if (!keys.every((k) => typeof k == "string")) return [...m].map(([k, x], i) => [plain(k, `${path}/${i}/0`, above), plain(x, `${path}/${i}/1`, above)]);
  let out = { __proto__: null };
  for (let k of keys) out[k] = plain(m.get(k), `${path}/${k}`, above);
  return out;
}

// src/harness/host.ts
var longest = 65536, pending = /* @__PURE__ */ new Map(), last = 0, most = 64, open = 0, waiting = [], none;
function early(refuse) {
  none = refuse;
}
var host2 = {
  call(op, args) {
    return none?.(), new Promise((resolve, reject) => {
      let frame2 = encode({ t: "call", id: last + 1, op, args });
      if (!frame2)
        return reject({ code: "exhausted", message: `${op}: the arguments are longer than ${4} MiB`, hint: "a kv value holds at most 1 MiB of JSON" });
      pending.set(++last, { resolve, reject }), keepAlive(!0), open >= most ? waiting[waiting.length] = frame2 : ask(frame2);
    });
  },
  stop: signal,
  // Another unit, by class and method: the caller of this execution knows which.
  use(cls) {
    return new Proxy({}, {
      get: (_, method) => async (...args) => {
        let sent2 = args.map((a) => plain(a)), got = await host2.call("run.call", { class: cls.name, method, args: sent2 }), out = [got.value];
        return revive(out, got.revive), out[0];
      }
    });
  },
  log(level, text2, fields) {
    none?.(), text2.length > longest && (text2 = text2.slice(0, longest) + " … (cut)");
    let f;
    try {
      f = fields === void 0 ? void 0 : plain(fields);
    } catch (e) {
      text2 += ` (fields left out: ${e.message})`;
    }
    send({ t: "log", level, text: text2, fields: f }) || send({ t: "log", level, text: text2 + " (fields left out: too long)" });
  }
};
function ask(frame2) {
  open++, write(frame2);
}
var asking = () => pending.size > 0;
function answer(frame2) {
  let p = pending.get(frame2.id);
  pending.delete(frame2.id) && open--;
  let next = waiting.shift();
  next && ask(next), pending.size === 0 && keepAlive(!1), frame2.now && advance(frame2.now), frame2.t === "ok" ? p?.resolve(frame2.value) : p?.reject(frame2.error);
}

// src/exchange.ts
var partMost = 2 << 20, bodyMost = 16 << 20, last2 = 0;
async function exchange(a) {
  let { url, method, headers, body, auth = "", redirect = "follow", signal: signal2 } = a;
  if (body && body.length > bodyMost)
    throw new AriaError("invalid", `the body of a request has at most ${bodyMost >> 20} MiB, and this one ${body.length} bytes`, { hint: "send it in parts" });
  if (signal2?.aborted) throw signal2.reason;
  let args = { url, method, headers, auth, redirect };
  return signal2 && (args.name = ++last2), body && body.length > partMost ? args.parts = await parts(body) : body && (args.body = base64(body)), response(await unless(signal2, args.name, call("net.fetch", args)), signal2);
}
async function parts(body) {
  let out = [];
  for (let at2 = 0; at2 < body.length; at2 += partMost) out.push(call("net.part", { body: base64(body.subarray(at2, at2 + partMost)) }));
  return (await Promise.all(out)).map((p) => p.part);
}
async function unless(signal2, name, asked) {
  return signal2 ? new Promise((resolve, reject) => {
    let stop2 = () => {
      call("net.close", { name }).catch(() => {
      }), reject(signal2.reason);
    };
    signal2.addEventListener("abort", stop2, { once: !0 }), asked.then((v) => {
      signal2.removeEventListener("abort", stop2), resolve(v);
    }, (e) => {
      if (e?.code === "cancelled") {
        let hold = setInterval(() => {
        }, 2147483647);
        signal2.aborted ? clearInterval(hold) : signal2.addEventListener("abort", () => clearInterval(hold), { once: !0 });
        return;
      }
      signal2.removeEventListener("abort", stop2), reject(e);
    });
  }) : asked;
}
function response(r, signal2) {
  let empty = r.status === 204 || r.status === 205 || r.status === 304, out = new Response(empty ? null : content(r, signal2), { status: r.status, statusText: r.statusText, headers: r.headers ?? [] });
  return Object.defineProperties(out, { url: { value: r.url }, redirected: { value: r.redirected } }), out;
}
function content(first, signal2) {
  if (!first.stream) return bytes2(first.body);
  let { stream, again } = first, next = first, over2 = !1, close = () => call("net.close", { stream });
  return new ReadableStream({
    start(to) {
      signal2?.addEventListener("abort", () => {
        over2 || (over2 = !0, to.error(signal2.reason), close().catch(() => {
        }));
      }, { once: !0 });
    },
    async pull(to) {
      let part = next ?? await call("net.read", again ? { stream, again } : { stream });
      next = void 0, !over2 && (part.body && to.enqueue(bytes2(part.body)), part.stream || (over2 = !0, to.close()));
    },
    async cancel() {
      over2 = !0, await close();
    }
  });
}
function bytes2(text2 = "") {
  let s = atob(text2), out = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) out[i] = s.charCodeAt(i);
  return out;
}
function base64(b) {
  let s = "";
  for (let i = 0; i < b.length; i += 32768) s += String.fromCharCode(...b.subarray(i, i + 32768));
  return btoa(s);
}

// src/harness/fetch.ts
var real = globalThis.fetch, on = !1;
function recordable() {
  let f = async (input, init) => on && web(input) ? recorded(input, init ?? {}) : real(input, init);
  globalThis.fetch = Object.assign(f, real);
}
function record() {
  on = !0;
}
var recording = () => on, web = (input) => !/^(data|blob|file):/i.test(String(input?.url ?? input));
async function recorded(input, init) {
  let from = input instanceof Request ? input : {}, url = new URL(String(input?.url ?? input)), headers = new Headers(init.headers ?? from.headers), method = String(init.method ?? from.method ?? "GET").toUpperCase(), given = init.body ?? (from.body && from), body;
  if (given != null) {
    let [type, b] = plain2(given) ?? await whole(given, headers);
    body = b, type && !headers.has("content-type") && headers.set("content-type", type);
  }
  return connection(headers, url), exchange({ url: url.href, method, headers: [...headers], body, redirect: init.redirect ?? from.redirect, signal: init.signal ?? from.signal });
}
function connection(headers, url) {
  for (let name of ["connection", "proxy-connection", "keep-alive", "content-length", "transfer-encoding", "te", "expect", "upgrade"]) headers.delete(name);
  headers.get("host") === url.host && headers.delete("host");
}
var text = new TextEncoder();
function plain2(body) {
  if (typeof body == "string") return ["text/plain;charset=UTF-8", text.encode(body)];
  if (body instanceof URLSearchParams) return ["application/x-www-form-urlencoded;charset=UTF-8", text.encode(String(body))];
  if (body instanceof ArrayBuffer) return ["", new Uint8Array(body.slice(0))];
  if (ArrayBuffer.isView(body)) return ["", new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice()];
}
async function whole(body, headers) {
  let r = body instanceof Request ? body : new Response(body), type = r.headers.get("content-type") ?? "", bytes3 = new Uint8Array(await r.arrayBuffer()), made = /^multipart\/form-data; *boundary="?(-*WebKitFormBoundary[0-9a-z]+)/i.exec(headers.get("content-type") ?? type)?.[1];
  if (!made) return [type, bytes3];
  let steady = `----AriaFormBoundary${crypto.randomUUID().replaceAll("-", "")}`;
  headers.set("content-type", `multipart/form-data; boundary=${steady}`);
  let swapped = Buffer.from(bytes3).toString("latin1").replaceAll(made, steady);
  return ["", new Uint8Array(Buffer.from(swapped, "latin1"))];
}

// src/harness/nodehttp.ts
var done = !1;
function nodeModules(files) {
  if (done || !process.env.ARIA_GATE || !files.some((f) => /["'](node:)?https?["']/.test(f.content))) return;
  done = !0;
  let { Writable, Readable } = require("node:stream"), parts2 = { Writable, Readable };
  patch(require("node:http"), "http:", parts2), patch(require("node:https"), "https:", parts2);
}
function patch(module, protocol, stream) {
  let { request } = module, Sent = sent(stream);
  module.request = (...args) => recording() ? new Sent(protocol, args) : request(...args), module.get = (...args) => {
    let r = module.request(...args);
    return r.end(), r;
  };
}
function target(protocol, args) {
  let first = args[0], at2 = typeof first == "string" || first instanceof URL ? new URL(String(first)) : void 0, o = (at2 ? args.slice(1) : args).find((a) => a && typeof a == "object") ?? {}, scheme = o.protocol ?? at2?.protocol ?? protocol, host3 = String(o.hostname ?? o.host ?? at2?.hostname ?? "localhost").replace(/:\d+$/, (p) => o.hostname ? p : ""), port = o.port ?? at2?.port ?? "", path = o.path ?? (at2 ? at2.pathname + at2.search : "/"), url = new URL(`${scheme}//${host3.includes(":") && !host3.startsWith("[") ? `[${host3}]` : host3}${port ? `:${port}` : ""}${path}`), headers = new Headers();
  for (let [k, v] of entries(o.headers)) headers.append(k, v);
  return o.auth && !headers.has("authorization") && headers.set("authorization", `Basic ${btoa(o.auth)}`), { url, method: String(o.method ?? "GET").toUpperCase(), headers, timeout: o.timeout ?? 0, signal: o.signal, callback: args.find((a) => typeof a == "function") };
}
function entries(h) {
  return h ? (Array.isArray(h) ? Array.isArray(h[0]) ? h : h.flatMap((k, i) => i % 2 ? [] : [[k, h[i + 1]]]) : typeof h.entries == "function" ? [...h.entries()] : Object.entries(h)).flatMap(([k, v]) => v === void 0 ? [] : Array.isArray(v) ? v.map((x) => [k, String(x)]) : [[k, String(v)]]) : [];
}
function sent({ Writable, Readable }) {
  return class extends Writable {
    constructor(protocol, args) {
      super({ autoDestroy: !1 });
      let t = target(protocol, args);
      Object.assign(this, { t, chunks: [], gone: new AbortController(), method: t.method, path: t.url.pathname + t.url.search, host: t.url.hostname, protocol: t.url.protocol, aborted: !1, headersSent: !1, reusedSocket: !1, socket: null }), t.callback && this.once("response", t.callback), t.timeout && this.setTimeout(t.timeout), t.signal?.aborted ? queueMicrotask(() => this.destroy(t.signal.reason)) : t.signal?.addEventListener("abort", () => this.destroy(t.signal.reason), { once: !0 });
    }
    _write(chunk, encoding, next) {
      this.chunks.push(typeof chunk == "string" ? Buffer.from(chunk, encoding) : chunk), next();
    }
    _final(next) {
      next(), this.headersSent = !0, this.ask();
    }
    async ask() {
      let { url, method, headers } = this.t;
      connection(headers, url);
      let body = this.chunks.length > 0 ? new Uint8Array(Buffer.concat(this.chunks)) : void 0;
      try {
        let r = await exchange({ url: url.href, method, headers: [...headers], body, redirect: "manual", signal: this.gone.signal });
        clearTimeout(this.timer), this.destroyed || this.told(r);
      } catch (e) {
        clearTimeout(this.timer), this.destroyed || this.destroy(e);
      }
    }
    told(r) {
      let res = r.body ? Readable.fromWeb(r.body) : Readable.from([]), list = [...r.headers], headers = {};
      for (let [k, v] of list) headers[k] = k === "set-cookie" ? [...headers[k] ?? [], v] : v;
      Object.assign(res, { statusCode: r.status, statusMessage: r.statusText, headers, rawHeaders: list.flat(), httpVersion: "1.1", httpVersionMajor: 1, httpVersionMinor: 1, trailers: {}, rawTrailers: [], complete: !1, aborted: !1, url: "", req: this, socket: null, setTimeout: () => res }), res.once("end", () => {
        res.complete = !0, this.emit("close");
      }), this.res = res, this.emit("response", res) || res.resume();
    }
    _destroy(e, next) {
      clearTimeout(this.timer), this.gone.abort(e ?? new DOMException("the request was given up", "AbortError")), !this.res && !e && (e = Object.assign(new Error("socket hang up"), { code: "ECONNRESET" })), next(e), queueMicrotask(() => this.emit("close"));
    }
    abort() {
      this.aborted = !0, this.emit("abort"), this.destroy();
    }
    setTimeout(ms, on2) {
      return clearTimeout(this.timer), on2 && this.once("timeout", on2), ms > 0 && (this.timer = setTimeout(() => this.emit("timeout"), ms)), this;
    }
    setHeader(k, v) {
      this.t.headers.delete(k);
      for (let x of Array.isArray(v) ? v : [v]) this.t.headers.append(k, String(x));
      return this;
    }
    getHeader(k) {
      return this.t.headers.get(k) ?? void 0;
    }
    hasHeader(k) {
      return this.t.headers.has(k);
    }
    removeHeader(k) {
      this.t.headers.delete(k);
    }
    getHeaders() {
      return Object.fromEntries(this.t.headers);
    }
    getHeaderNames() {
      return [...this.t.headers.keys()];
    }
    flushHeaders() {
    }
    setNoDelay() {
    }
    setSocketKeepAlive() {
    }
  };
}

// src/harness/load.ts
var root = "/tmp/unit/", code = /* @__PURE__ */ new Map();
function install() {
  Bun.plugin({
    name: "unit",
    setup(build) {
      build.onResolve({ filter: /^(\.\.?\/|\/tmp\/unit\/)/ }, ({ path, importer }) => {
        let full = path.startsWith("/") ? path : join(importer, path);
        return code.has(full) ? { path: full } : void 0;
      }), build.onLoad({ filter: /^\/tmp\/unit\// }, ({ path }) => ({ contents: code.get(path) ?? "", loader: "js" }));
    }
  });
}
async function load(files, entry) {
  for (let f of files) code.set(root + f.path, f.content);
  if (nodeModules(files), !code.has(root + entry)) throw new Error(`the bundle has no file ${entry}`);
  try {
    return require(root + entry);
  } catch (e) {
    if (!/async module|top-level await/i.test(String(e?.message))) throw e;
    return import(root + entry);
  }
}
function forget() {
  for (let path of code.keys()) delete require.cache[path];
  code.clear();
}
function join(importer, relative) {
  let parts2 = importer.split("/").slice(0, -1);
  for (let p of relative.split("/"))
    p === ".." ? parts2.pop() : p !== "." && parts2.push(p);
  return parts2.join("/");
}

// src/harness/ahead.ts
var exit = process.reallyExit.bind(process), unfit = 3;
async function ahead(files, entry) {
  let refuse = () => exit(unfit);
  early(refuse);
  let unwatch = watch(refuse);
  process.on("uncaughtException", refuse), process.on("unhandledRejection", refuse), process.on("beforeExit", refuse), keepAlive(!1), await load(files, entry).catch(refuse), await new Promise((next) => setImmediate(next)), keepAlive(!0), process.off("uncaughtException", refuse), process.off("unhandledRejection", refuse), process.off("beforeExit", refuse), unwatch();
}

// src/harness/closed.ts
function closed() {
  let real2 = globalThis.fetch, refuse = async (input, init) => {
    let text2 = String(input?.url ?? input), at2 = /^(https?|wss?):\/\/(?:[^/?#]*@)?([^/?#:]+|\[[^\]]*\])(?::(\d+))?(?=[/?#]|$)/i.exec(text2);
    if (!at2) return real2(input, init);
    let port = at2[3] ?? (/s$/i.test(at2[1]) ? "443" : "80"), host3 = at2[2].toLowerCase(), how = port === "443" ? host3 : `${host3}:${port}`;
    throw Object.assign(new Error(`this unit holds no net:${host3}:${port}`), {
      name: "AriaError",
      code: "denied",
      retryable: !1,
      hint: `declare a handle for it in the class: net('${how}')`
    });
  };
  globalThis.fetch = Object.assign(refuse, real2);
}

// src/harness/failure.ts
function failure(e, root2, self2) {
  try {
    return told(e, root2, self2);
  } catch {
    return { name: "Thrown", message: "something was thrown that cannot be read", stack: "", retryable: !0 };
  }
}
function told(e, root2, self2) {
  let x = e, isError = e instanceof Error || typeof e == "object" && e !== null && typeof x.message == "string", f = {
    name: clip(isError ? String(x.name || "Error") : "Thrown"),
    message: clip(isError ? String(x.message) : thrown(e)),
    stack: clip(isError ? stacks(x, root2, self2) : ""),
    retryable: isError && typeof x.retryable == "boolean" ? x.retryable : !0
  };
  return isError && typeof x.code == "string" && (f.code = x.code), isError && typeof x.hint == "string" && (f.hint = clip(x.hint)), f;
}
function thrown(e) {
  return e == null ? `${e} was thrown` : `${typeof e == "object" ? "an" : "a"} ${typeof e} was thrown: ${show(e)}`;
}
function stacks(e, root2, self2) {
  if (!(e instanceof Error) && e.stack === "") return "";
  let out = [];
  for (let i = 0; e && i <= 5; e = e.cause, i++) {
    let head = i === 0 ? "" : "caused by: ";
    out.push(head + (e instanceof Error ? stack(e, root2, self2) : show(e)));
    for (let part of Array.isArray(e.errors) ? e.errors.slice(0, 5) : [])
      out.push("one of: " + (part instanceof Error ? stack(part, root2, self2) : show(part)));
  }
  return out.join(`
`);
}
function stack(e, root2, self2) {
  let lines = String(e.stack ?? `${e.name}: ${e.message}`).split(`
`), at2 = e.position;
  return at2?.file && lines.length === 1 && lines.push(`    at ${at2.file}:${at2.line}:${at2.column}`), lines.filter((l) => !/^\s+at /.test(l) || !(l.includes(self2) || /\(native|\(unknown\)|\bnode:|bun:|<anonymous>\)?$/.test(l))).map((l) => l.replaceAll("file://" + root2, "").replaceAll(root2, "")).join(`
`);
}
function show(v) {
  try {
    return typeof v == "string" ? v : JSON.stringify(v) ?? String(v);
  } catch {
    return Object.prototype.toString.call(v);
  }
}
function clip(s) {
  return s.length <= 65536 ? s : s.slice(0, 65536) + " … (cut)";
}

// src/harness/warm.ts
var mark = "ARIA_PARKED";
function parked() {
  let is = process.env[mark];
  return delete process.env[mark], is === "1" || is === "load" ? is : "";
}
var code2 = `// @bun
import { one } from './warm2.js';
export class Warm { async run(a) { await null; return { a, n: one } } }`;
async function warm(self2) {
  let frame2 = { t: "start", files: [{ path: "code/warm.js", content: code2 }, { path: "code/warm2.js", content: `// @bun
export const one = 1;` }], entry: "code/warm.js", export: "Warm", method: "run", args: [{ at: "2000-01-01T00:00:00Z" }], revive: [{ arg: 0, path: "/at", type: "date" }] }, start;
  take(encode(frame2), (f) => start = f), revive(start.args, start.revive);
  let unit = new (await load(start.files, start.entry))[start.export]();
  encode({ t: "result", value: plain(await unit[start.method](...start.args)) }), failure(new Error("warm"), root, self2), rehearse(), forget(), require("node:fs");
}

// src/harness/main.ts
var self = process.argv[1], exit2 = process.reallyExit.bind(process), started = !1, over = !1, warmed;
function finish(frame2) {
  return over || (over = !0, send(frame2) || send({ t: "error", error: problem("exhausted", `the result is longer than ${4} MiB of JSON`, "return less, or store it in kv and return the key") })), exit2(0);
}
var fail = (e) => finish({ t: "error", error: failure(e, root, self) });
function problem(code3, message, hint) {
  return { name: "AriaError", message, stack: "", code: code3, hint, retryable: !1 };
}
function guard() {
  process.on("uncaughtException", fail), process.on("unhandledRejection", fail), process.on("beforeExit", () => finish({ t: "error", error: problem("failed", "the unit waits for something that can never come", "a promise was never settled, and no timer or question is open") })), process.exit = (code3) => finish({ t: "error", error: problem("failed", `the unit called process.exit(${code3 ?? ""})`, "return a value or throw an error instead") });
}
async function run(start) {
  start.seed && (sameness(start.clock, start.seed), record()), revive(start.args, start.revive ?? []);
  let exported = (await load(start.files, start.entry))[start.export];
  if (typeof exported != "function") throw problem("not_found", `${start.entry} exports no class or function "${start.export}"`, "build the bundle again");
  if (!start.method) return checked(exported, void 0, start.args);
  let it = new exported();
  if (typeof it[start.method] != "function") throw problem("not_found", `"${start.export}" has no method "${start.method}"`, "build the bundle again");
  return checked(it[start.method], it, start.args);
}
function checked(f, self2, args) {
  let schemas = f[schemasKey];
  return schemas ? (async () => (schemas.input && (args = [await through(f, "input", args[0])]), through(f, "output", await f.apply(self2, args))))() : f.apply(self2, args);
}
function result(v) {
  let value;
  try {
    value = plain(v);
  } catch (e) {
    if (!(e instanceof Uncrossable)) return fail(e);
    let at2 = e.path ? `the result at ${e.path}` : "the result";
    return finish({ t: "error", error: problem("failed", `${at2} cannot be returned: ${e.message}`, "return plain data, Date, bigint, URL, Map, Set or Uint8Array") });
  }
  return finish({ t: "result", value });
}
function frame(f) {
  if (f.t === "load") return void warmed.then(() => ahead(f.files, f.entry)).then(announce, () => exit2(1));
  if (f.t === "stop") {
    !stop(f.message) && !asking() && finish({ t: "error", error: problem("cancelled", f.message, "a unit that listens to stopSignal() may clean up") });
    return;
  }
  if (f.t !== "start") return answer(f);
  started || (started = !0, early(void 0), keepAlive(!1), run(f).then(result, fail));
}
function open2() {
  let how = parked();
  if (how) {
    prepare(), warmed = warm(self), warmed.then(how === "load" ? void 0 : announce, () => exit2(1));
    return;
  }
  send({ t: "ready" }), prepare(), guard();
}
function announce() {
  guard(), send({ t: "ready" });
}
function prepare() {
  globalThis[hostKey] = host2, process.env.ARIA_GATE ? recordable() : closed(), install();
}
connect(open2, frame, () => exit2(1));
})
