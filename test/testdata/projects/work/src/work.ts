import { kv, log, tool } from "@aria/sdk";

export class Work {
  /** Adds one. */
  @tool()
  async inc(n: number): Promise<number> {
    return n + 1;
  }

  /** Waits, then gives the time back. */
  @tool({ timeout: "120s" })
  async sleep(ms: number): Promise<number> {
    log.info("asleep", { ms });
    await new Promise((done) => setTimeout(done, ms));
    return ms;
  }
}

export class Counter {
  counts = kv<number, "a">("counts", "a");

  /** Adds one to a named count, waits, and gives the new count back. */
  @tool({ timeout: "120s" })
  async bump(key: string, ms = 0): Promise<number> {
    const n = await this.counts.update(key, (v) => (v ?? 0) + 1);
    if (ms > 0) await new Promise((done) => setTimeout(done, ms));
    return n;
  }

  /** Reads a named count. */
  @tool()
  async read(key: string): Promise<number> {
    return (await this.counts.get(key)) ?? 0;
  }
}
