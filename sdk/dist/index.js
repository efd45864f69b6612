var __defProp = Object.defineProperty;
var __name = (target, value) => __defProp(target, "name", { value, configurable: !0 });

// src/schemas.ts
var schemasKey = /* @__PURE__ */ Symbol.for("aria.schemas");
function keepSchemas(f, { input, output }) {
  return Object.defineProperty(f, schemasKey, { value: { input, output } });
}
__name(keepSchemas, "keepSchemas");

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
__name(marker, "marker");
function factory(name, kind, decorator = marker(name, kind)) {
  return (opts) => {
    if (typeof opts == "function") throw new TypeError(`write @${name}() with parentheses`);
    return decorator;
  };
}
__name(factory, "factory");
var plainTool = factory("tool", "method");
function toolOf(opts) {
  let mark = plainTool(opts);
  return !opts?.input && !opts?.output ? mark : (method, context) => {
    mark(method, context), keepSchemas(method, opts);
  };
}
__name(toolOf, "toolOf");
function fn(f, opts) {
  return opts?.input || opts?.output ? keepSchemas((...args) => f(...args), opts) : f;
}
__name(fn, "fn");
var tool = Object.assign(toolOf, { fn }), agent = factory("agent", "class"), team = factory("team", "class"), pipeline = factory("pipeline", "class"), step = factory("step", "method");

// src/errors.ts
var passing = /* @__PURE__ */ new Set(["conflict", "deadlock", "timeout", "unavailable", "interrupted", "exhausted"]), AriaError = class extends Error {
  static {
    __name(this, "AriaError");
  }
  code;
  hint;
  retryable;
  constructor(code, message, opts = {}) {
    super(message, "cause" in opts ? { cause: opts.cause } : void 0), this.name = "AriaError", this.code = code, this.hint = opts.hint, this.retryable = opts.retryable ?? passing.has(code);
  }
}, TerminalError = class extends AriaError {
  static {
    __name(this, "TerminalError");
  }
  constructor(message, opts = {}) {
    super(opts.code ?? "failed", message, { ...opts, retryable: !1 }), this.name = "TerminalError";
  }
}, Conflict = class extends AriaError {
  static {
    __name(this, "Conflict");
  }
  constructor(message, opts = {}) {
    super("conflict", message, opts), this.name = "Conflict";
  }
};

// src/host.ts
var hostKey = /* @__PURE__ */ Symbol.for("aria.host");
function host() {
  return globalThis[hostKey];
}
__name(host, "host");
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
__name(call, "call");
function refused(e) {
  if (typeof e?.code != "string") return e;
  let opts = e.hint ? { hint: e.hint } : {};
  return e.code === "conflict" ? new Conflict(e.message, opts) : new AriaError(e.code, e.message, opts);
}
__name(refused, "refused");

// src/units.ts
var Agent = class {
  static {
    __name(this, "Agent");
  }
}, Team = class {
  static {
    __name(this, "Team");
  }
}, Pipeline = class {
  static {
    __name(this, "Pipeline");
  }
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
          return method.apply(target, args);
        };
    }
  });
}
__name(use, "use");
function reach(cls) {
  let h = host();
  if (h?.use) return h.use(cls);
  throw new AriaError("unimplemented", `this build cannot reach ${cls.name} from inside a unit`, {
    hint: "call its code directly, or let an agent call both units"
  });
}
__name(reach, "reach");

// src/json.ts
function strictJSON(v, what) {
  return check(v, what, "", []), v;
}
__name(strictJSON, "strictJSON");
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
__name(check, "check");
function bad(what, path, why) {
  throw new TypeError(path ? `${what} at ${path}: ${why}` : `${what}: ${why}`);
}
__name(bad, "bad");

// src/kv.ts
var page = 200, most = 1e4, tries = 16, Client = class {
  constructor(ns) {
    this.ns = ns;
  }
  ns;
  static {
    __name(this, "Client");
  }
  async get(key) {
    return (await call("kv.get", { ns: this.ns, key }))?.value;
  }
  async getEntry(key) {
    let e = await call("kv.get", { ns: this.ns, key });
    return e ? { key, value: e.value, version: e.version } : void 0;
  }
  async *list(opts = {}) {
    let left = opts.limit ?? 1 / 0, after;
    for (; left > 0; ) {
      let got = await call("kv.list", { ns: this.ns, prefix: opts.prefix ?? "", after, limit: Math.min(left, page) });
      if (yield* got.items, left -= got.items.length, after = got.next || void 0, after === void 0) return;
    }
  }
  async entries(prefix) {
    let all = [];
    for await (let e of this.list({ prefix, limit: most + 1 })) all.push(e);
    if (all.length > most)
      throw new AriaError("exhausted", `kv "${this.ns}" has more than ${most} entries under "${prefix ?? ""}"`, {
        hint: "go through list() instead, which fetches page by page"
      });
    return all;
  }
  async set(key, value, opts = {}) {
    let ttlMs = opts.ttl === void 0 ? void 0 : millis(opts.ttl);
    return (await call("kv.put", { ns: this.ns, key, value: storable(key, value), ttlMs })).version;
  }
  async cas(key, version, value) {
    return (await call("kv.cas", { ns: this.ns, key, version, value: storable(key, value) })).version;
  }
  async delete(key) {
    return (await call("kv.delete", { ns: this.ns, key })).deleted;
  }
  async update(key, change) {
    for (let i = 0; i < tries; i++) {
      let old = await this.getEntry(key), value = await change(old?.value);
      if (await this.replace(key, old?.version ?? 0, value)) return value;
    }
    throw new Conflict(`kv "${this.ns}": ${tries} writers came between the read and the write of "${key}"`, {
      hint: 'ask for the mode "rw", which keeps other writers out while the unit runs'
    });
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
  static {
    __name(this, "Reader");
  }
  get;
  getEntry;
  list;
  entries;
  constructor(c) {
    this.get = c.get.bind(c), this.getEntry = c.getEntry.bind(c), this.list = c.list.bind(c), this.entries = c.entries.bind(c);
  }
}, kv = /* @__PURE__ */ __name(((ns, mode = "r") => {
  let client = new Client(ns);
  return mode === "r" || mode === "s" ? new Reader(client) : client;
}), "kv");
function storable(key, value) {
  try {
    return strictJSON(value, `value of "${key}"`);
  } catch (e) {
    throw new AriaError("invalid", e.message, {
      hint: "store plain data: date.toISOString(), [...set], Object.fromEntries(map); delete() removes a key"
    });
  }
}
__name(storable, "storable");
var unit = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 };
function millis(d) {
  let m = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(d), n = m ? Math.round(Number(m[1]) * unit[m[2]]) : 0;
  if (!(n >= 1)) throw new AriaError("invalid", `"${d}" is not a span of time`, { hint: 'write it like "30s", "5m" or "7d"' });
  return n;
}
__name(millis, "millis");

// src/net.ts
var Name = class {
  constructor(name) {
    this.name = name;
  }
  name;
  static {
    __name(this, "Name");
  }
  value() {
    return call("secret.get", { name: this.name });
  }
  toString() {
    return `[secret ${this.name}]`;
  }
  toJSON() {
    return this.toString();
  }
}, secret = /* @__PURE__ */ __name((name) => new Name(name), "secret"), Client2 = class {
  static {
    __name(this, "Client");
  }
  base;
  auth;
  constructor(host2, opts = {}) {
    this.base = host2.includes("://") ? host2 : `${host2.endsWith(":80") ? "http" : "https"}://${host2}`, this.auth = opts.auth ? binding(this.base, opts.auth) : "";
  }
  async fetch(input, init = {}) {
    let url = this.base.includes("*") ? String(input) : new URL(String(input), this.base).href, headers = new Headers(init.headers), body;
    if (init.body !== void 0 && init.body !== null) {
      let whole = new Response(init.body), type = whole.headers.get("content-type") ?? (typeof init.body == "string" ? "text/plain;charset=UTF-8" : null);
      body = base64(new Uint8Array(await whole.arrayBuffer())), type && !headers.has("content-type") && headers.set("content-type", type);
    }
    let args = { url, method: init.method ?? "GET", headers: [...headers], body, auth: this.auth, redirect: init.redirect ?? "follow" };
    return response(await unless(init.signal, call("net.fetch", args)));
  }
}, net = /* @__PURE__ */ __name((host2, opts) => new Client2(host2, opts), "net");
function binding(base, auth) {
  let at = new URL(base), port = at.port || (at.protocol === "http:" ? "80" : "443"), [name, form] = "bearer" in auth ? [auth.bearer.name, "bearer"] : "basic" in auth ? [auth.basic.name, auth.user ? `basic:${auth.user}` : "basic"] : "header" in auth ? [auth.value.name, `header:${auth.header}`] : "query" in auth ? [auth.value.name, `query:${auth.query}`] : [auth.name, "bearer"];
  return `secret:${name}:${at.hostname}:${port}:${form}`;
}
__name(binding, "binding");
async function unless(signal, asked) {
  return signal ? new Promise((resolve, reject) => {
    let stop = /* @__PURE__ */ __name(() => reject(signal.reason), "stop");
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: !0 }), asked.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  }) : asked;
}
__name(unless, "unless");
function response(r) {
  let empty = r.status === 204 || r.status === 205 || r.status === 304, out = new Response(empty ? null : content(r), { status: r.status, statusText: r.statusText, headers: r.headers ?? [] });
  return Object.defineProperties(out, { url: { value: r.url }, redirected: { value: r.redirected } }), out;
}
__name(response, "response");
function content(first) {
  if (!first.stream) return bytes(first.body);
  let stream = first.stream, next = first;
  return new ReadableStream({
    async pull(to) {
      let part = next ?? await call("net.read", { stream });
      next = void 0, part.body && to.enqueue(bytes(part.body)), part.stream || to.close();
    },
    async cancel() {
      await call("net.close", { stream });
    }
  });
}
__name(content, "content");
function bytes(text = "") {
  let s = atob(text), out = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) out[i] = s.charCodeAt(i);
  return out;
}
__name(bytes, "bytes");
function base64(b) {
  if (b.length > 2 << 20)
    throw new AriaError("invalid", `the body of a request has at most 2 MiB, and this one ${b.length} bytes`, { hint: "send it in parts, or use fetch() itself" });
  let s = "";
  for (let i = 0; i < b.length; i += 32768) s += String.fromCharCode(...b.subarray(i, i + 32768));
  return btoa(s);
}
__name(base64, "base64");

// src/llm.ts
var Client3 = class {
  constructor(model) {
    this.model = model;
  }
  model;
  static {
    __name(this, "Client");
  }
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
__name(accept, "accept");
function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    return;
  }
}
__name(parsed, "parsed");
var llm = /* @__PURE__ */ __name((model) => new Client3(model), "llm");

// src/log.ts
function write(level, text, fields) {
  let h = host();
  h ? h.log(level, String(text), fields) : console[level](text, ...fields ? [fields] : []);
}
__name(write, "write");
var log = {
  debug: /* @__PURE__ */ __name((text, fields) => write("debug", text, fields), "debug"),
  info: /* @__PURE__ */ __name((text, fields) => write("info", text, fields), "info"),
  warn: /* @__PURE__ */ __name((text, fields) => write("warn", text, fields), "warn"),
  error: /* @__PURE__ */ __name((text, fields) => write("error", text, fields), "error")
};
export {
  Agent,
  AriaError,
  Conflict,
  Pipeline,
  Team,
  TerminalError,
  agent,
  kv,
  llm,
  log,
  net,
  pipeline,
  secret,
  step,
  team,
  tool,
  use
};
