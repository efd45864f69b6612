var __defProp = Object.defineProperty;
var __name = (target, value) => __defProp(target, "name", { value, configurable: !0 });

// src/memory/common.ts
var refuse = /* @__PURE__ */ __name((code) => (message, hint) => ({ code, message, hint }), "refuse"), conflict = refuse("conflict"), invalid = refuse("invalid"), exhausted = refuse("exhausted"), missing = refuse("not_found");
function text(what, s) {
  if (s.includes("\0") || s.includes("�") || !s.isWellFormed()) throw invalid(`a kv ${what} is Unicode text without NUL`);
}
__name(text, "text");
var encoder = new TextEncoder();
function byBytes(a, b) {
  let [x, y] = [encoder.encode(a), encoder.encode(b)];
  for (let i = 0; i < x.length && i < y.length; i++) if (x[i] !== y[i]) return x[i] - y[i];
  return x.length - y.length;
}
__name(byBytes, "byBytes");

// src/memory/kv.ts
var kept = 4096, MemoryKV = class {
  static {
    __name(this, "MemoryKV");
  }
  spaces = /* @__PURE__ */ new Map();
  versions = /* @__PURE__ */ new Map();
  // of every key ever written, so that none is used again
  changes = [];
  base = 1;
  // every change after it is kept
  seq = 1;
  waiting = [];
  snaps = /* @__PURE__ */ new Map();
  last = 0;
  space(ns) {
    let s = this.spaces.get(ns);
    s || this.spaces.set(ns, s = /* @__PURE__ */ new Map());
    for (let [k, c] of s) c.until <= Date.now() && s.delete(k);
    return s;
  }
  reset() {
    this.spaces.clear();
  }
  ops = {
    "kv.get": /* @__PURE__ */ __name((a) => {
      let c = this.seen(a).get(a.key);
      return c ? { value: c.value, version: c.version } : null;
    }, "kv.get"),
    "kv.list": /* @__PURE__ */ __name((a) => this.list(a, this.seen(a)), "kv.list"),
    "kv.put": /* @__PURE__ */ __name((a) => this.write(a), "kv.put"),
    "kv.cas": /* @__PURE__ */ __name((a) => (this.expect(a), a.delete ? (this.remove(a), { version: 0 }) : this.write(a)), "kv.cas"),
    "kv.delete": /* @__PURE__ */ __name((a) => ({ deleted: this.remove(a) }), "kv.delete"),
    "kv.begin": /* @__PURE__ */ __name((a) => {
      let id = ++this.last;
      return a.snapshot && this.snaps.set(id, new Map(a.ns.map((ns) => [ns, new Map(this.space(ns))]))), { id };
    }, "kv.begin"),
    "kv.end": /* @__PURE__ */ __name((a) => {
      this.snaps.delete(a.id);
    }, "kv.end"),
    "kv.commit": /* @__PURE__ */ __name((a) => {
      for (let r of a.reads ?? []) this.expect(r);
      for (let l of a.lists ?? []) if (this.list({ ...l, tx: 1 }, this.space(l.ns)).sum !== l.sum) throw conflict(`kv:${l.ns} has changed since it was listed`);
      for (let w of a.writes ?? []) key(w.key);
      return { versions: (a.writes ?? []).map((w) => w.delete ? (this.remove(w), 0) : this.write(w).version) };
    }, "kv.commit"),
    "kv.watch": /* @__PURE__ */ __name((a) => this.watch(a), "kv.watch")
  };
  seen(a) {
    if (a.key !== void 0 && key(a.key), !a.snap) return this.space(a.ns);
    let s = this.snaps.get(a.snap);
    if (!s) throw conflict("the snapshot is over");
    return s.get(a.ns) ?? /* @__PURE__ */ new Map();
  }
  list(a, s) {
    text("prefix", a.prefix ?? "");
    let keys = [...s.keys()].sort(byBytes).filter((k) => k.startsWith(a.prefix ?? "") && (!a.after || byBytes(k, a.after) > 0)), limit = a.limit || 100, items = keys.slice(0, limit).map((k) => ({ key: k, value: s.get(k).value, version: s.get(k).version })), next = keys.length > limit ? items.at(-1).key : "";
    return { items, next, sum: a.tx ? JSON.stringify([items.map((i) => [i.key, i.version]), next]) : void 0 };
  }
  expect(a) {
    key(a.key);
    let has = this.space(a.ns).get(a.key)?.version ?? 0;
    if (has !== a.version) throw conflict(`kv "${a.ns}": "${a.key}" has version ${has}, not ${a.version}`);
  }
  write(a) {
    key(a.key);
    let id = JSON.stringify([a.ns, a.key]), version = (this.versions.get(id) ?? 0) + 1;
    return this.versions.set(id, version), this.space(a.ns).set(a.key, { value: a.value, version, until: a.ttlMs ? Date.now() + a.ttlMs : 1 / 0 }), this.tell(a.ns, a.key), { version };
  }
  remove(a) {
    key(a.key);
    let there = this.space(a.ns).delete(a.key);
    return there && this.tell(a.ns, a.key), there;
  }
  tell(ns, k) {
    this.changes.push({ seq: ++this.seq, ns, key: k }), this.changes.length > kept && (this.base = this.changes.splice(0, kept / 2).at(-1).seq);
    for (let wake of this.waiting.splice(0)) wake();
  }
  async watch(a) {
    let since = a.since ? Number(a.since) : this.seq, until = Date.now() + (a.waitMs ?? 0);
    for (; ; ) {
      if (since < this.base || since > this.seq) return { events: [], next: String(this.seq), gap: !0 };
      let keys = this.changes.filter((c) => c.seq > since && c.ns === a.ns && c.key.startsWith(a.prefix ?? "")).map((c) => c.key);
      since = this.seq;
      let left = until - Date.now();
      if (keys.length || left <= 0) return { events: [...new Set(keys.reverse())].reverse().map((k) => this.event(a.ns, k)), next: String(since) };
      await new Promise((wake) => {
        this.waiting.push(wake), setTimeout(wake, left).unref?.();
      });
    }
  }
  event(ns, k) {
    let c = this.space(ns).get(k);
    return c ? { key: k, value: c.value, version: c.version } : { key: k, version: 0 };
  }
};
function key(k) {
  let n = new TextEncoder().encode(String(k)).length;
  if (n < 1 || n > 512) throw invalid(`a kv key is 1 to 512 bytes without NUL; this one has ${n} bytes`);
  text("key", String(k));
}
__name(key, "key");

// src/testing.ts
function memoryHost() {
  let logs = [], kv = new MemoryKV(), ops = { ...kv.ops, ...locks() }, host = {
    async call(op, args) {
      let f = ops[op];
      if (!f) throw { code: "unimplemented", message: `the host in memory does not know ${op}` };
      return structuredClone(await f(JSON.parse(JSON.stringify(args))) ?? null);
    },
    log: /* @__PURE__ */ __name((level, text2, fields) => {
      logs.push(fields ? { level, text: text2, fields } : { level, text: text2 });
    }, "log"),
    use: /* @__PURE__ */ __name((cls) => new cls(), "use")
  };
  return globalThis[/* @__PURE__ */ Symbol.for("aria.host")] = host, {
    logs,
    dump: /* @__PURE__ */ __name((ns) => Object.fromEntries([...kv.space(ns)].map(([k, c]) => [k, structuredClone(c.value)])), "dump"),
    reset: /* @__PURE__ */ __name(() => {
      logs.length = 0, kv.reset();
    }, "reset")
  };
}
__name(memoryHost, "memoryHost");
function locks() {
  let last = 0;
  return {
    "lock.take": /* @__PURE__ */ __name(() => ({ id: ++last, fence: String(last) }), "lock.take"),
    "lock.drop": /* @__PURE__ */ __name(() => ({ dropped: !0 }), "lock.drop")
  };
}
__name(locks, "locks");
export {
  memoryHost
};
