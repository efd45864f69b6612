var __defProp = Object.defineProperty;
var __name = (target, value) => __defProp(target, "name", { value, configurable: !0 });

// src/testing.ts
function memoryHost() {
  let logs = [], spaces = /* @__PURE__ */ new Map(), versions = /* @__PURE__ */ new Map(), space = /* @__PURE__ */ __name((ns) => {
    let s = spaces.get(ns);
    s || spaces.set(ns, s = /* @__PURE__ */ new Map());
    for (let [k, c] of s) c.until <= Date.now() && s.delete(k);
    return s;
  }, "space"), write = /* @__PURE__ */ __name((a) => {
    let id = JSON.stringify([a.ns, a.key]), version = (versions.get(id) ?? 0) + 1;
    return versions.set(id, version), space(a.ns).set(a.key, { value: a.value, version, until: a.ttlMs ? Date.now() + a.ttlMs : 1 / 0 }), { version };
  }, "write"), server, ops = {
    "net.fetch": /* @__PURE__ */ __name(async (a) => {
      if (!server) throw { code: "unavailable", message: `no server answers ${a.url} in a test`, hint: "host.onFetch(request => new Response(...))" };
      let body = a.body === void 0 ? void 0 : Uint8Array.from(atob(a.body), (c) => c.charCodeAt(0)), r = await server(new Request(a.url, { method: a.method, headers: a.headers, body }), a.auth ? a.auth.split(":")[1] : void 0), text = Array.from(new Uint8Array(await r.arrayBuffer()), (b) => String.fromCharCode(b)).join("");
      return { status: r.status, statusText: r.statusText, url: a.url, redirected: !1, headers: [...r.headers], body: btoa(text) };
    }, "net.fetch"),
    "secret.get": /* @__PURE__ */ __name((a) => {
      throw { code: "denied", message: `the value of secret:${a.name} never enters a container`, hint: `bind it to a host: net('api.example.com', { auth: secret('${a.name}') })` };
    }, "secret.get"),
    "kv.get": /* @__PURE__ */ __name((a) => {
      let c = space(a.ns).get(a.key);
      return c ? { value: c.value, version: c.version } : null;
    }, "kv.get"),
    "kv.list": /* @__PURE__ */ __name((a) => {
      let keys = [...space(a.ns).keys()].filter((k) => k.startsWith(a.prefix ?? "") && (!a.after || k > a.after)).sort(), limit = a.limit ?? 100, items = keys.slice(0, limit).map((key) => ({ key, value: space(a.ns).get(key).value, version: space(a.ns).get(key).version }));
      return { items, next: keys.length > limit ? items.at(-1).key : "" };
    }, "kv.list"),
    "kv.put": write,
    "kv.cas": /* @__PURE__ */ __name((a) => {
      let has = space(a.ns).get(a.key)?.version ?? 0;
      if (has !== a.version) throw { code: "conflict", message: `kv "${a.ns}": "${a.key}" has version ${has}, not ${a.version}` };
      return a.delete ? (space(a.ns).delete(a.key), { version: a.version }) : write(a);
    }, "kv.cas"),
    "kv.delete": /* @__PURE__ */ __name((a) => ({ deleted: space(a.ns).delete(a.key) }), "kv.delete"),
    "llm.chat": /* @__PURE__ */ __name(async (a) => {
      if (!memory.llm) throw { code: "unavailable", message: `no answer of ${a.model} is prepared`, hint: "set one: host.llm = (request) => 'text'" };
      let r = await memory.llm(a);
      return { stop: "end", usage: { inputTokens: 0, outputTokens: 0 }, ...typeof r == "string" ? { text: r } : r };
    }, "llm.chat"),
    "llm.embed": /* @__PURE__ */ __name((a) => ({ vectors: a.input.map(vector), usage: { inputTokens: 0, outputTokens: 0 } }), "llm.embed")
  }, host = {
    async call(op, args) {
      let f = ops[op];
      if (!f) throw { code: "unimplemented", message: `the host in memory does not know ${op}` };
      return checkKey(args.key), structuredClone(await f(JSON.parse(JSON.stringify(args))));
    },
    log: /* @__PURE__ */ __name((level, text, fields) => {
      logs.push(fields ? { level, text, fields } : { level, text });
    }, "log"),
    use: /* @__PURE__ */ __name((cls) => new cls(), "use")
  };
  globalThis[/* @__PURE__ */ Symbol.for("aria.host")] = host;
  let memory = {
    logs,
    dump: /* @__PURE__ */ __name((ns) => Object.fromEntries([...space(ns)].map(([k, c]) => [k, structuredClone(c.value)])), "dump"),
    onFetch: /* @__PURE__ */ __name((answer) => {
      server = answer;
    }, "onFetch"),
    reset: /* @__PURE__ */ __name(() => {
      logs.length = 0, spaces.clear(), server = void 0, delete memory.llm;
    }, "reset")
  };
  return memory;
}
__name(memoryHost, "memoryHost");
function vector(text) {
  let v = new Array(32).fill(0);
  for (let word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [""]) {
    let h = 2166136261;
    for (let c of word) h = Math.imul(h ^ c.codePointAt(0), 16777619);
    v[(h >>> 0) % 32] += 1;
  }
  let length = Math.hypot(...v);
  return v.map((x) => x / length);
}
__name(vector, "vector");
function checkKey(key) {
  if (key === void 0) return;
  let n = new TextEncoder().encode(String(key)).length;
  if (n < 1 || n > 512 || String(key).includes("\0"))
    throw { code: "invalid", message: `a kv key is 1 to 512 bytes without NUL; this one has ${n}` };
}
__name(checkKey, "checkKey");
export {
  memoryHost
};
