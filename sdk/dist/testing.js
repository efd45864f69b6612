// src/memory/common.ts
var refuse = (code) => (message, hint) => ({ code, message, hint }), conflict = refuse("conflict"), invalid = refuse("invalid"), exhausted = refuse("exhausted"), missing = refuse("not_found");
function text(what, s) {
  if (s.includes("\0") || s.includes("�") || !s.isWellFormed()) throw invalid(`a kv ${what} is Unicode text without NUL`);
}
var encoder = new TextEncoder();
function byBytes(a, b) {
  let [x, y] = [encoder.encode(a), encoder.encode(b)];
  for (let i = 0; i < x.length && i < y.length; i++) if (x[i] !== y[i]) return x[i] - y[i];
  return x.length - y.length;
}

// src/memory/blob.ts
var MemoryBlob = class {
  stores = /* @__PURE__ */ new Map();
  uploads = /* @__PURE__ */ new Map();
  last = 0;
  reset() {
    this.stores.clear(), this.uploads.clear();
  }
  ops = {
    "blob.put": (a) => this.put(a, Buffer.from(a.data, "base64")),
    "blob.begin": () => (this.uploads.set(++this.last, []), { id: this.last }),
    "blob.chunk": (a) => {
      let parts = this.upload(a.id), size = parts.reduce((n, p) => n + p.length, 0);
      if (a.at !== size) throw conflict(`a piece for byte ${a.at}, where ${size} is next`);
      let data = Buffer.from(a.data, "base64");
      return parts.push(data), { size: size + data.length };
    },
    "blob.commit": (a) => {
      let parts = this.upload(a.id);
      return this.uploads.delete(a.id), this.put(a, Buffer.concat(parts));
    },
    "blob.end": (a) => {
      this.uploads.delete(a.id);
    },
    "blob.read": (a) => {
      let b = this.of(a).get(name(a));
      if (!b) return null;
      if (a.sha256 && a.sha256 !== b.sha256) throw conflict(`"${a.name}" was written anew while it was read`);
      return { ...this.stat(a.name, b), data: Buffer.from(b.data.subarray(a.at, a.at + a.length)).toString("base64") };
    },
    "blob.stat": (a) => {
      let b = this.of(a).get(name(a));
      return b ? this.stat(a.name, b) : null;
    },
    "blob.list": (a) => {
      let all2 = [...this.of(a)].filter(([n]) => n.startsWith(a.prefix ?? "") && (!a.after || byBytes(n, a.after) > 0)).sort(([x], [y]) => byBytes(x, y)), limit = a.limit || 100;
      return { items: all2.slice(0, limit).map(([n, b]) => this.stat(n, b)), next: all2.length > limit ? all2[limit - 1][0] : "" };
    },
    "blob.delete": (a) => ({ deleted: this.of(a).delete(name(a)) })
  };
  upload(id2) {
    let u = this.uploads.get(id2);
    if (!u) throw conflict("the blob is not under way any more");
    return u;
  }
  of(a) {
    let s = this.stores.get(a.ns);
    s || this.stores.set(a.ns, s = /* @__PURE__ */ new Map());
    for (let [n, b] of s) b.until <= Date.now() && s.delete(n);
    return s;
  }
  put(a, data) {
    let sha256 = new globalThis.Bun.CryptoHasher("sha256").update(data).digest("hex"), b = { data, sha256, type: a.type, at: Date.now(), until: a.ttlMs ? Date.now() + a.ttlMs : 1 / 0 };
    return this.of(a).set(name(a), b), this.stat(a.name, b);
  }
  stat(n, b) {
    return { name: n, size: b.data.length, sha256: b.sha256, type: b.type || void 0, atMs: b.at };
  }
};
function name(a) {
  let n = new TextEncoder().encode(a.name ?? "").length;
  if (n < 1 || n > 512 || /[\0\ufffd]/.test(a.name) || !a.name.isWellFormed()) throw invalid(`the name of a blob is 1 to 512 bytes of Unicode text; this one has ${n} bytes`);
  return a.name;
}

// src/memory/fs.ts
var MemoryFs = class {
  volumes = /* @__PURE__ */ new Map();
  reset() {
    this.volumes.clear();
  }
  ops = {
    "fs.read": (a) => {
      let f = this.of(a).get(check(a.path));
      return f ? { data: Buffer.from(f.data.subarray(a.at, a.at + a.length)).toString("base64"), size: f.data.length, modifiedMs: f.at } : null;
    },
    "fs.write": (a) => {
      let v = this.of(a), old = v.get(check(a.path));
      old || free(v, a.path);
      let had = a.truncate || !old ? Buffer.alloc(0) : old.data, add = Buffer.from(a.data, "base64"), at = a.at < 0 ? had.length : a.at, data = Buffer.alloc(Math.max(had.length, at + add.length));
      return data.set(had), data.set(add, at), v.set(a.path, { data, at: Date.now() }), { size: data.length };
    },
    "fs.stat": (a) => {
      let v = this.of(a), f = v.get(check(a.path));
      if (f) return { name: a.path, size: f.data.length, modifiedMs: f.at };
      let inside = [...v].find(([p]) => p.startsWith(a.path + "/"));
      return inside ? { name: a.path, dir: !0, size: 0, modifiedMs: inside[1].at } : null;
    },
    "fs.list": (a) => {
      let prefix = a.path ? check(a.path) + "/" : "", items = /* @__PURE__ */ new Map();
      for (let [p, f] of [...this.of(a)].sort(([x], [y]) => byBytes(x, y))) {
        if (!p.startsWith(prefix)) continue;
        let [name2, ...deeper] = p.slice(prefix.length).split("/");
        items.has(name2) || items.set(name2, deeper.length ? { name: name2, dir: !0, size: 0, modifiedMs: f.at } : { name: name2, size: f.data.length, modifiedMs: f.at });
      }
      return { items: [...items.values()], next: "" };
    },
    "fs.remove": (a) => ({ removed: under(this.of(a), check(a.path), a.all).filter((p) => this.of(a).delete(p)).length }),
    "fs.rename": (a) => {
      let v = this.of(a), from = under(v, check(a.path), !0);
      if (check(a.to), from.length === 0) throw missing(`there is no "${a.path}"`);
      if (a.to === a.path) return { moved: from.length };
      if (a.to.startsWith(a.path + "/")) throw invalid(`"${a.path}" cannot move into itself`);
      if (v.has(a.to) && !v.has(a.path)) throw conflict(`"${a.to}" is there already`);
      free(v, a.to);
      for (let p of from)
        v.set(a.to + p.slice(a.path.length), v.get(p)), v.delete(p);
      return { moved: from.length };
    }
  };
  of(a) {
    let v = this.volumes.get(a.ns);
    return v || this.volumes.set(a.ns, v = /* @__PURE__ */ new Map()), v;
  }
};
function under(v, p, all2) {
  return [...v.keys()].filter((x) => x === p || all2 && x.startsWith(p + "/"));
}
function free(v, p) {
  let parts = p.split("/");
  for (let n = 1; n < parts.length; n++) {
    let above = parts.slice(0, n).join("/");
    if (v.has(above)) throw conflict(`"${above}" is a file, so there is nothing in it`);
  }
  if ([...v.keys()].some((x) => x.startsWith(p + "/"))) throw conflict(`"${p}" is a folder with files in it`);
}
function check(p) {
  if (p.split("/").some((s) => s === "" || s === "." || s === "..") || new TextEncoder().encode(p).length > 512 || /[\0\ufffd]/.test(p) || !p.isWellFormed()) throw invalid(`"${p}" is not a path in a volume`);
  return p;
}

// src/memory/kv.ts
var kept = 4096, MemoryKV = class {
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
    "kv.get": (a) => {
      let c = this.seen(a).get(a.key);
      return c ? { value: c.value, version: c.version } : null;
    },
    "kv.list": (a) => this.list(a, this.seen(a)),
    "kv.put": (a) => this.write(a),
    "kv.cas": (a) => (this.expect(a), a.delete ? (this.remove(a), { version: 0 }) : this.write(a)),
    "kv.delete": (a) => ({ deleted: this.remove(a) }),
    "kv.begin": (a) => {
      let id2 = ++this.last;
      return a.snapshot && this.snaps.set(id2, new Map(a.ns.map((ns) => [ns, new Map(this.space(ns))]))), { id: id2 };
    },
    "kv.end": (a) => {
      this.snaps.delete(a.id);
    },
    "kv.commit": (a) => {
      for (let r of a.reads ?? []) this.expect(r);
      for (let l of a.lists ?? []) if (this.list({ ...l, tx: 1 }, this.space(l.ns)).sum !== l.sum) throw conflict(`kv:${l.ns} has changed since it was listed`);
      for (let w of a.writes ?? []) key(w.key);
      return { versions: (a.writes ?? []).map((w) => w.delete ? (this.remove(w), 0) : this.write(w).version) };
    },
    "kv.watch": (a) => this.watch(a)
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
    let id2 = JSON.stringify([a.ns, a.key]), version = (this.versions.get(id2) ?? 0) + 1;
    return this.versions.set(id2, version), this.space(a.ns).set(a.key, { value: a.value, version, until: a.ttlMs ? Date.now() + a.ttlMs : 1 / 0 }), this.tell(a.ns, a.key), { version };
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

// src/memory/net.ts
var MemoryNet = class {
  answer;
  ops = {
    "net.fetch": async (a) => {
      if (!this.answer) throw { code: "unavailable", message: `no server answers ${a.url} in a test`, hint: "host.onFetch(request => new Response(...))" };
      let body = a.body === void 0 ? void 0 : Uint8Array.from(atob(a.body), (c) => c.charCodeAt(0)), r = await this.answer(new Request(a.url, { method: a.method, headers: a.headers, body }), a.auth ? a.auth.split(":")[1] : void 0), text2 = Array.from(new Uint8Array(await r.arrayBuffer()), (b) => String.fromCharCode(b)).join("");
      return { status: r.status, statusText: r.statusText, url: a.url, redirected: !1, headers: [...r.headers], body: btoa(text2) };
    },
    "secret.get": (a) => {
      throw { code: "denied", message: `the value of secret:${a.name} never enters a container`, hint: `bind it to a host: net('api.example.com', { auth: secret('${a.name}') })` };
    }
  };
  reset() {
    this.answer = void 0;
  }
};

// src/memory/queue.ts
var MemoryQueue = class {
  queues = /* @__PURE__ */ new Map();
  once = /* @__PURE__ */ new Map();
  last = 0;
  reset() {
    this.queues.clear(), this.once.clear();
  }
  ops = {
    "queue.push": (a) => {
      if (!(a.items.length >= 1 && a.items.length <= 500)) throw invalid(`${a.items.length} items in one push; 1 to 500 are allowed`);
      for (let i of a.items) {
        if (JSON.stringify(i.body).length > 262144) throw invalid("an item is too large");
        if (i.attempts !== void 0 && !(i.attempts >= 0 && i.attempts <= 1e3)) throw invalid(`attempts ${i.attempts} is not 1 to 1000`);
      }
      return { items: a.items.map((i) => this.push(a.ns, i)) };
    },
    "queue.claim": async (a) => {
      for (let until = Date.now() + (a.waitMs ?? 0); ; ) {
        let items = this.take(a);
        if (items.length > 0 || Date.now() >= until) return { items };
        await new Promise((go) => setTimeout(go, 5));
      }
    },
    "queue.ack": (a) => (this.mine(a), this.of(a.ns).delete(a.id), { done: !0 }),
    "queue.nack": (a) => {
      let i = this.mine(a);
      return i.state = i.claims >= i.most ? 2 : 0, i.ready = Date.now() + (a.delayMs ?? Math.min(1e3 * 2 ** Math.min(i.claims - 1, 12), 36e5)), i.error = a.error ?? "", { dead: i.state === 2 };
    },
    "queue.extend": (a) => {
      let i = this.mine(a);
      return i.ready = Date.now() + (a.visibilityMs ?? 3e4), { extended: !0 };
    },
    "queue.stats": (a) => {
      let all2 = [...this.of(a.ns).values()], now = Date.now(), waiting = all2.filter((i) => i.state < 2 && i.ready <= now);
      return {
        waiting: waiting.length,
        delayed: all2.filter((i) => i.state === 0 && i.ready > now).length,
        claimed: all2.filter((i) => i.state === 1 && i.ready > now).length,
        dead: all2.filter((i) => i.state === 2).length,
        oldestMs: waiting.length ? now - Math.min(...waiting.map((i) => i.pushed)) : 0
      };
    },
    "queue.dead": (a) => ({
      items: this.dead(a).filter((i) => i.id > (a.after ?? 0)).slice(0, a.limit ?? 100).map((i) => ({ id: i.id, body: i.body, attempts: i.claims, error: i.error, pushedMs: i.pushed }))
    }),
    "queue.redrive": (a) => {
      let all2 = this.dead(a);
      for (let i of all2) Object.assign(i, { state: 0, claims: 0, error: "", ready: Date.now() });
      return { moved: all2.length };
    },
    "queue.discard": (a) => ({ removed: this.dead(a).filter((i) => this.of(a.ns).delete(i.id)).length })
  };
  of(ns) {
    let q = this.queues.get(ns);
    q || this.queues.set(ns, q = /* @__PURE__ */ new Map());
    for (let i of q.values()) i.state === 0 && i.until <= Date.now() && q.delete(i.id);
    return q;
  }
  dead(a) {
    return [...this.of(a.ns).values()].filter((i) => i.state === 2 && (!a.ids || a.ids.includes(i.id)));
  }
  push(ns, i) {
    let key2 = JSON.stringify([ns, i.once]), known = i.once === void 0 ? void 0 : this.once.get(key2);
    if (known !== void 0) return { id: known, duplicate: !0 };
    let id2 = ++this.last;
    i.once !== void 0 && this.once.set(key2, id2);
    let now = Date.now();
    return this.of(ns).set(id2, { id: id2, body: i.body, ready: now + (i.delayMs ?? 0), claims: 0, most: i.attempts || 5, pushed: now, state: 0, error: "", until: i.ttlMs ? now + i.ttlMs : 1 / 0 }), { id: id2 };
  }
  take(a) {
    let now = Date.now(), out = [];
    for (let i of [...this.of(a.ns).values()].filter((i2) => i2.state < 2 && i2.ready <= now).sort((x, y) => x.ready - y.ready || x.id - y.id)) {
      if (out.length === (a.max || 1)) break;
      if (i.claims >= i.most) {
        i.state = 2, i.error ||= "it was claimed and not answered for";
        continue;
      }
      i.claims++, i.state = 1, i.ready = now + (a.visibilityMs ?? 3e4), out.push({ id: i.id, claim: i.claims, most: i.most, body: i.body });
    }
    return out;
  }
  mine(a) {
    let i = this.of(a.ns).get(a.id);
    if (!i || i.state === 2 || i.claims !== a.claim) throw conflict(`item ${a.id} is not this unit's any more`);
    return i;
  }
};

// src/memory/vector.ts
var MemoryVector = class {
  stores = /* @__PURE__ */ new Map();
  reset() {
    this.stores.clear();
  }
  of(a) {
    let s = this.stores.get(a.ns);
    for (let r of s?.rows.values() ?? []) r.until <= Date.now() && s.rows.delete(r.id);
    return s;
  }
  ops = {
    "vector.upsert": (a) => {
      let rows = a.items.map((d) => ({ id: id(d.id), meta: d.meta ?? {}, text: d.text, v: vectorOf(d), until: d.ttlMs ? Date.now() + d.ttlMs : 1 / 0 })), store = this.of(a) ?? { dims: rows[0].v.length, own: !a.items[0].v, rows: /* @__PURE__ */ new Map() };
      for (let [i, r] of rows.entries()) {
        if (r.v.length !== store.dims || a.dims && a.dims !== store.dims) throw invalid(`a vector of ${r.v.length} numbers, where the store has ${a.dims || store.dims}`);
        if (store.own !== !a.items[i].v) throw invalid(`this store holds ${store.own ? "texts" : "vectors that were given"}, and this is not one`);
      }
      this.stores.set(a.ns, store);
      for (let r of rows) store.rows.set(r.id, r);
      return { stored: rows.length };
    },
    "vector.delete": (a) => ({ deleted: a.ids.filter((x) => this.of(a)?.rows.delete(x)).length }),
    "vector.get": (a) => ({
      items: a.ids.map((x) => this.of(a)?.rows.get(x)).filter(Boolean).map(({ until, ...r }) => ({ ...r, v: Buffer.from(Float32Array.from(r.v).buffer).toString("base64") }))
    }),
    "vector.info": (a) => ({ count: this.of(a)?.rows.size ?? 0 }),
    "vector.query": (a) => {
      let test = where(a.where ?? {}), k = a.k ?? 10;
      if (!(k >= 1 && k <= 200)) throw invalid(`k is ${k}; it may be 1 to 200`);
      let store = this.of(a);
      if (!store) return { hits: [] };
      let q = vectorOf(a);
      if (q.length !== store.dims) throw invalid(`a vector of ${q.length} numbers, where the store has ${store.dims}`);
      return { hits: [...store.rows.values()].filter((r) => test(r.meta)).map((r) => ({ id: r.id, score: r.v.reduce((s, x, i) => s + x * q[i], 0), meta: r.meta, text: r.text })).filter((h) => h.score >= (a.min ?? 0)).sort((x, y) => y.score - x.score).slice(0, k) };
    }
  };
};
function id(s) {
  if (typeof s != "string" || s.length < 1 || new TextEncoder().encode(s).length > 256) throw invalid("the id of a document is 1 to 256 bytes of Unicode text");
  return s;
}
function vectorOf(d) {
  let v = d.v ? [...new Float32Array(new Uint8Array(Buffer.from(d.v, "base64")).buffer)] : words(d.text ?? ""), n = Math.hypot(...v);
  if (!(n > 0 && n < 1 / 0)) throw invalid(d.v ? "the vector is all zero, or not all of it are numbers" : "a document or question needs a vector or a text");
  return v.map((x) => x / n);
}
function words(text2) {
  let v = new Array(512).fill(0);
  for (let w of text2.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    let h = 7;
    for (let c of w) h = (h * 31 + c.codePointAt(0)) % 65521;
    v[h % 512]++;
  }
  return v;
}
function where(w) {
  if (w === null || typeof w != "object" || Array.isArray(w)) throw invalid("where: a condition is an object");
  let tests = Object.entries(w).map(([name2, v]) => {
    if (name2 === "$and") return all(v.map(where));
    if (name2 === "$or") {
      let subs = v.map(where);
      return (m) => subs.some((t) => t(m));
    }
    if (name2 === "$not") {
      let sub = where(v);
      return (m) => !sub(m);
    }
    if (name2.startsWith("$")) throw invalid(`where: unknown word "${name2}"`);
    return Array.isArray(v) ? field(name2, "in", v) : v === null || typeof v != "object" ? field(name2, "eq", v) : all(Object.entries(v).map(([op, x]) => field(name2, op, x)));
  });
  return all(tests);
}
var all = (tests) => (m) => tests.every((t) => t(m));
function field(name2, op, v) {
  let any = (is) => (m) => Array.isArray(m[name2]) ? m[name2].some(is) : is(m[name2]);
  switch (op) {
    case "eq":
      return any((x) => x === v);
    case "ne": {
      let is = any((x) => x === v);
      return (m) => !is(m);
    }
    case "in":
      return any((x) => v.includes(x));
    case "nin": {
      let is = any((x) => v.includes(x));
      return (m) => !is(m);
    }
    case "exists":
      return (m) => m[name2] !== void 0 === v;
    case "gt":
      return any((x) => typeof x == typeof v && x > v);
    case "gte":
      return any((x) => typeof x == typeof v && x >= v);
    case "lt":
      return any((x) => typeof x == typeof v && x < v);
    case "lte":
      return any((x) => typeof x == typeof v && x <= v);
  }
  throw invalid(`where: ${name2} has the unknown word "${op}"`);
}

// src/testing.ts
function memoryHost() {
  let logs = [], kv = new MemoryKV(), queues = new MemoryQueue(), vectors = new MemoryVector(), servers = new MemoryNet(), all2 = [kv, vectors, queues, servers, new MemoryBlob(), new MemoryFs()], ops = Object.assign(locks(), ...all2.map((s) => s.ops), {
    "llm.chat": async (a) => {
      if (!memory.llm) throw { code: "unavailable", message: `no answer of ${a.model} is prepared`, hint: "set one: host.llm = (request) => 'text'" };
      let r = await memory.llm(a);
      return { stop: "end", usage: { inputTokens: 0, outputTokens: 0 }, ...typeof r == "string" ? { text: r } : r };
    },
    "run.sleep": () => null,
    "run.approve": (a) => memory.approve ? memory.approve(a.role, a.data) : { ok: !0 },
    "llm.embed": (a) => ({ vectors: a.input.map(vector), usage: { inputTokens: 0, outputTokens: 0 } })
  }), host = {
    async call(op, args) {
      let f = ops[op];
      if (!f) throw { code: "unimplemented", message: `the host in memory does not know ${op}` };
      return structuredClone(await f(JSON.parse(JSON.stringify(args))) ?? null);
    },
    log: (level, text2, fields) => {
      logs.push(fields ? { level, text: text2, fields } : { level, text: text2 });
    },
    use: (cls) => new cls(),
    stop: () => stopping.signal
  }, stopping = new AbortController();
  globalThis[/* @__PURE__ */ Symbol.for("aria.host")] = host;
  let memory = {
    logs,
    dump: (ns) => Object.fromEntries([...kv.space(ns)].map(([k, c]) => [k, structuredClone(c.value)])),
    onFetch: (answer) => {
      servers.answer = answer;
    },
    reset: () => {
      logs.length = 0;
      for (let s of all2) s.reset();
      delete memory.llm, stopping = new AbortController();
    },
    stop: (why = "the run was cancelled") => stopping.abort(Object.assign(new Error(why), { name: "AriaError", code: "cancelled", retryable: !1 }))
  };
  return memory;
}
function locks() {
  let last = 0;
  return {
    "lock.take": () => ({ id: ++last, fence: String(last) }),
    "lock.drop": () => ({ dropped: !0 })
  };
}
function vector(text2) {
  let v = new Array(32).fill(0);
  for (let word of text2.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [""]) {
    let h = 2166136261;
    for (let c of word) h = Math.imul(h ^ c.codePointAt(0), 16777619);
    v[(h >>> 0) % 32] += 1;
  }
  let length = Math.hypot(...v);
  return v.map((x) => x / length);
}
export {
  memoryHost
};
