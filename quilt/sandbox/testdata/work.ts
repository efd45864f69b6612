// What ordinary units do; each must work under the whole profile.
import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { createServer, connect } from "node:net";
import { gzipSync, gunzipSync } from "node:zlib";
import { Database } from "bun:sqlite";

const jobs: Record<string, () => unknown> = {
  hash: () => createHash("sha256").update(randomBytes(1 << 20)).digest("hex").length === 64,
  zip: () => gunzipSync(gzipSync(Buffer.alloc(1 << 20))).length === 1 << 20,
  gc: () => { Bun.gc(true); return true; },
  files: () => {
    fs.mkdirSync("/tmp/d/e", { recursive: true });
    fs.writeFileSync("/tmp/d/a", "x"); fs.appendFileSync("/tmp/d/a", "y"); fs.copyFileSync("/tmp/d/a", "/tmp/d/b");
    fs.renameSync("/tmp/d/b", "/tmp/d/c"); fs.symlinkSync("/tmp/d/c", "/tmp/d/l"); fs.chmodSync("/tmp/d/c", 0o600); fs.utimesSync("/tmp/d/c", 1, 1);
    const ok = fs.readFileSync("/tmp/d/l", "utf8") === "xy" && fs.readdirSync("/tmp/d").length === 4;
    fs.rmSync("/tmp/d", { recursive: true });
    return ok;
  },
  watch: () => { fs.watch("/tmp").close(); return true; },
  bunFile: async () => { await Bun.write("/tmp/w", "hello"); return await Bun.file("/tmp/w").text() === "hello"; },
  sqlite: () => {
    const db = new Database("/tmp/db");
    db.run("create table t(a)"); db.run("insert into t values (7)");
    const row = db.query("select a from t").get() as { a: number };
    db.close();
    return row.a === 7;
  },
  timers: () => new Promise(r => setTimeout(() => r(true), 5)),
  worker: () => new Promise(r => {
    const w = new Worker(URL.createObjectURL(new Blob(["onmessage=e=>postMessage(e.data+1)"])));
    w.onmessage = e => { w.terminate(); r(e.data === 42); };
    w.postMessage(41);
  }),
  wasm: async () => !!await WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])),
  unixSocket: () => new Promise(r => {
    const s = createServer(c => c.end("hi")).listen("/tmp/s", () => connect("/tmp/s").on("data", d => { s.close(); r(String(d) === "hi"); }));
  }),
  child: () => Bun.spawnSync(["/bin/bun", "-e", "console.log(6*7)"]).stdout.toString() === "42\n",
  intl: () => new Intl.DateTimeFormat("de", { timeZone: "Europe/Berlin", dateStyle: "full" }).format(0).includes("1970"),
  typescript: async () => { fs.writeFileSync("/tmp/m.ts", "export const f = (x: number): number => x * 2"); return (await import("/tmp/m.ts")).f(21) === 42; },
};
const out: Record<string, unknown> = {};
for (const [name, job] of Object.entries(jobs)) try { out[name] = await job(); } catch (e) { out[name] = String(e); }
console.log(JSON.stringify(out));
process.exit(0);
