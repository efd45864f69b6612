var __create = Object.create;
var __defProp = Object.defineProperty;
var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
var __getOwnPropNames = Object.getOwnPropertyNames;
var __getProtoOf = Object.getPrototypeOf, __hasOwnProp = Object.prototype.hasOwnProperty;
var __copyProps = (to, from, except, desc) => {
  if (from && typeof from == "object" || typeof from == "function")
    for (let key of __getOwnPropNames(from))
      !__hasOwnProp.call(to, key) && key !== except && __defProp(to, key, { get: () => from[key], enumerable: !(desc = __getOwnPropDesc(from, key)) || desc.enumerable });
  return to;
};
var __toESM = (mod, isNodeMode, target) => (target = mod != null ? __create(__getProtoOf(mod)) : {}, __copyProps(
  // If the importer is in node compatibility mode or this is not an ESM
  // file that has been converted to a CommonJS file using a Babel-
  // compatible transform (i.e. "__esModule" has not been set), then set
  // "default" to the CommonJS "module.exports" for node compatibility.
  isNodeMode || !mod || !mod.__esModule ? __defProp(target, "default", { value: mod, enumerable: !0 }) : target,
  mod
));

// src/harness/main.ts
var import_node_fs2 = __toESM(require("node:fs"), 1), import_node_path = __toESM(require("node:path"), 1);

// src/host.ts
var hostKey = /* @__PURE__ */ Symbol.for("aria.host");

// src/harness/channel.ts
var import_node_fs = __toESM(require("node:fs"), 1), fd = 3, maxFrame = 4 << 20, { readSync, writeSync, read } = import_node_fs.default, { parse, stringify } = JSON;
function send(frame) {
  let text = stringify(frame), buf2 = Buffer.allocUnsafe(4 + Buffer.byteLength(text));
  if (buf2.length - 4 > maxFrame) return !1;
  buf2.writeUInt32BE(buf2.length - 4, 0), buf2.write(text, 4);
  for (let at = 0; at < buf2.length; )
    at += retry(() => writeSync(fd, buf2, at, buf2.length - at));
  return !0;
}
function receive() {
  for (; ; ) {
    let frame = take();
    if (frame) return frame;
    let room = space(), n = retry(() => readSync(fd, room, 0, room.length, null));
    if (n === 0) return;
    have += n;
  }
}
function listen(on, end) {
  let room = space();
  read(fd, room, 0, room.length, null, (err, n) => {
    if (err && busy(err)) return void setTimeout(listen, 1, on, end);
    if (err || n === 0) return end();
    have += n;
    for (let frame; frame = take(); ) if (!on(frame)) return;
    listen(on, end);
  });
}
var buf = Buffer.allocUnsafe(65536), have = 0;
function take() {
  if (have < 4) return;
  let end = 4 + buf.readUInt32BE(0);
  if (have < end) return;
  let frame = parse(buf.toString("utf8", 4, end));
  return buf.copyWithin(0, end, have), have -= end, frame;
}
function space() {
  let need = have < 4 ? 4 : 4 + buf.readUInt32BE(0);
  if (need > buf.length || have === buf.length) {
    let bigger = Buffer.allocUnsafe(Math.max(need, 2 * buf.length));
    buf.copy(bigger, 0, 0, have), buf = bigger;
  }
  return buf.subarray(have);
}
function retry(op) {
  for (; ; )
    try {
      return op();
    } catch (e) {
      if (!busy(e)) throw e;
      Bun.sleepSync(0.2);
    }
}
function busy(e) {
  return e.code === "EAGAIN" || e.code === "EINTR";
}

// src/harness/failure.ts
function failure(e, root2, self2) {
  let x = e, isError = e instanceof Error || typeof e == "object" && e !== null && typeof x.message == "string", f = {
    name: clip(isError ? String(x.name || "Error") : "Thrown"),
    message: clip(isError ? String(x.message) : `a ${e === null ? "null" : typeof e} was thrown: ${show(e)}`),
    stack: clip(isError ? stacks(x, root2, self2) : ""),
    retryable: isError && typeof x.retryable == "boolean" ? x.retryable : !0
  };
  return isError && typeof x.code == "string" && (f.code = x.code), isError && typeof x.hint == "string" && (f.hint = clip(x.hint)), f;
}
function stacks(e, root2, self2) {
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
  return String(e.stack ?? `${e.name}: ${e.message}`).split(`
`).filter((l) => !/^\s+at /.test(l) || !(l.includes(self2) || /\(native|\(unknown\)|\bnode:|bun:|<anonymous>\)?$/.test(l))).map((l) => l.replaceAll("file://" + root2, "").replaceAll(root2, "")).join(`
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

// src/harness/values.ts
function revive(args, list) {
  for (let { arg, path: path2, type } of list) {
    let steps = [arg, ...path2.split("/").slice(1).map((s) => s.replaceAll("~1", "/").replaceAll("~0", "~"))];
    walk(args, steps, 0, type);
  }
}
function walk(at, steps, i, type) {
  if (at === null || typeof at != "object") return;
  let keys = steps[i] === "*" ? at instanceof Map ? [...at.keys()] : Object.keys(at) : [steps[i]];
  for (let k of keys) {
    let inMap = at instanceof Map;
    if (inMap ? !at.has(k) : !Object.hasOwn(at, k)) continue;
    let v = inMap ? at.get(k) : at[k];
    i < steps.length - 1 ? walk(v, steps, i + 1, type) : v !== null && (inMap ? at.set(k, rich(v, type)) : at[k] = rich(v, type));
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
  constructor(path2, why) {
    super(why);
    this.path = path2;
  }
  path;
}, deepest = 400;
function plain(v, path2 = "", above = []) {
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
      throw new Uncrossable(path2, `${v} is not a JSON number`);
    case "object":
      break;
    default:
      throw new Uncrossable(path2, `a ${typeof v} cannot cross`);
  }
  if (v === null) return null;
  if (above.includes(v)) throw new Uncrossable(path2, "the value contains itself");
  if (above.length >= deepest) throw new Uncrossable(path2, `the value is nested more than ${deepest} deep`);
  above.push(v);
  let out = object(v, path2, above);
  return above.pop(), out;
}
function object(v, path2, above) {
  if (Array.isArray(v)) return Array.from(v, (x, i) => plain(x, `${path2}/${i}`, above));
  if (v instanceof Date) {
    if (Number.isNaN(v.getTime())) throw new Uncrossable(path2, "the Date is invalid");
    return v.toISOString();
  }
  if (v instanceof URL) return v.href;
  if (v instanceof Set) return Array.from(v, (x, i) => plain(x, `${path2}/${i}`, above));
  if (v instanceof Map) return map(v, path2, above);
  if (ArrayBuffer.isView(v)) return Buffer.from(v.buffer, v.byteOffset, v.byteLength).toString("base64");
  if (v instanceof ArrayBuffer) return Buffer.from(v).toString("base64");
  if (v instanceof Promise) throw new Uncrossable(path2, 'it is a promise: an "await" is missing');
  if (v instanceof Error) throw new Uncrossable(path2, "an Error cannot cross: throw it, or return its message");
  if (v instanceof WeakMap || v instanceof WeakSet || v instanceof RegExp) throw new Uncrossable(path2, `a ${v.constructor.name} cannot cross`);
  if (typeof v.toJSON == "function") return plain(v.toJSON(), path2, above);
  let out = { __proto__: null };
  for (let k of Object.keys(v)) {
    let x = v[k];
    x !== void 0 && (out[k] = plain(x, `${path2}/${k.replaceAll("~", "~0").replaceAll("/", "~1")}`, above));
  }
  return out;
}
function map(m, path2, above) {
  let keys = [...m.keys()];
  if (!keys.every((k) => typeof k == "string")) return [...m].map(([k, x], i) => [plain(k, `${path2}/${i}/0`, above), plain(x, `${path2}/${i}/1`, above)]);
  let out = { __proto__: null };
  for (let k of keys) out[k] = plain(m.get(k), `${path2}/${k}`, above);
  return out;
}

// src/harness/host.ts
var longest = 65536, pending = /* @__PURE__ */ new Map(), last = 0, reading = !1, host = {
  call(op, args) {
    return new Promise((resolve, reject) => {
      let id = last + 1;
      if (!send({ t: "call", id, op, args }))
        return reject({ code: "exhausted", message: `${op}: the arguments are longer than ${maxFrame >> 20} MiB`, hint: "a kv value holds at most 1 MiB of JSON" });
      last = id, pending.set(id, { resolve, reject }), reading || (reading = !0, listen(answer, lost));
    });
  },
  log(level, text, fields) {
    text.length > longest && (text = text.slice(0, longest) + " … (cut)");
    let f;
    try {
      f = fields === void 0 ? void 0 : plain(fields);
    } catch (e) {
      text += ` (fields left out: ${e.message})`;
    }
    send({ t: "log", level, text, fields: f }) || send({ t: "log", level, text: text + " (fields left out: too long)" });
  }
};
function answer(frame) {
  let p = pending.get(frame.id);
  return pending.delete(frame.id), frame.t === "ok" ? p?.resolve(frame.value) : p?.reject(frame.error), reading = pending.size > 0;
}
function lost() {
  reading = !1;
  for (let p of pending.values()) p.reject({ code: "unavailable", message: "the broker is gone" });
  pending.clear();
}

// src/harness/main.ts
var root = "/tmp/unit/", self = process.argv[1], exit = process.reallyExit.bind(process), over = !1;
function finish(frame) {
  return over || (over = !0, send(frame) || send({ t: "error", error: problem("exhausted", `the result is longer than ${maxFrame >> 20} MiB of JSON`, "return less, or store it in kv and return the key") })), exit(0);
}
var fail = (e) => finish({ t: "error", error: failure(e, root, self) });
function problem(code, message, hint) {
  return { name: "AriaError", message, stack: "", code, hint, retryable: !1 };
}
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);
process.on("beforeExit", () => finish({ t: "error", error: problem("failed", "the unit waits for something that can never come", "a promise was never settled, and no timer or question is open") }));
process.exit = (code) => finish({ t: "error", error: problem("failed", `the unit called process.exit(${code ?? ""})`, "return a value or throw an error instead") });
function layOut(files) {
  let made = /* @__PURE__ */ new Set();
  for (let f of files) {
    let to = import_node_path.default.join(root, f.path);
    if (!to.startsWith(root)) throw new Error(`file ${f.path} lies outside the unit`);
    let dir = import_node_path.default.dirname(to);
    made.has(dir) || import_node_fs2.default.mkdirSync(dir, { recursive: !0 }), made.add(dir), import_node_fs2.default.writeFileSync(to, f.content);
  }
}
async function load(file) {
  try {
    return require(file);
  } catch (e) {
    if (!/async module|top-level await/i.test(String(e?.message))) throw e;
    return import(file);
  }
}
async function run(start2) {
  layOut(start2.files), revive(start2.args, start2.revive ?? []);
  let exported = (await load(import_node_path.default.join(root, start2.entry)))[start2.export];
  if (typeof exported != "function") throw problem("not_found", `${start2.entry} exports no "${start2.export}"`, "build the bundle again");
  if (!start2.method) return exported(...start2.args);
  let it = new exported();
  if (typeof it[start2.method] != "function") throw problem("not_found", `"${start2.export}" has no method "${start2.method}"`, "build the bundle again");
  return it[start2.method](...start2.args);
}
function result(v) {
  try {
    return finish({ t: "result", value: plain(v) });
  } catch (e) {
    if (!(e instanceof Uncrossable)) return fail(e);
    let at = e.path ? `the result at ${e.path}` : "the result";
    return finish({ t: "error", error: problem("failed", `${at} cannot be returned: ${e.message}`, "return plain data, Date, bigint, URL, Map, Set or Uint8Array") });
  }
}
send({ t: "ready" });
var start = receive();
start?.t !== "start" && exit(1);
globalThis[hostKey] = host;
run(start).then(result, fail);
