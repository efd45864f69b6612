import { kv, tool } from '@aria/sdk';

export class Shop {
  seen = kv<number>('hooks/seen', 'a');

  private async count(id: string): Promise<number> {
    return (await this.seen.update(id, (n) => (n ?? 0) + 1))!;
  }
  /** Called by whoever bears the credential. */
  @tool({ http: 'POST /shop/paid' })
  async paid(id: string, cents: number): Promise<{ id: string; cents: number; times: number }> {
    return { id, cents, times: await this.count(id) };
  }
  /** Called by whoever has the secret. */
  @tool({ http: 'POST /shop/signed', secret: 'SHOP_HOOK' })
  async signed(id: string): Promise<number> { return this.count(id); }
  @tool({ http: 'GET /shop/seen' })
  async look(id: string, twice = false): Promise<number> { return ((await this.seen.get(id)) ?? 0) * (twice ? 2 : 1); }
  @tool({ http: '/shop/bad' })
  async bad(): Promise<void> { throw new Error('out of stock'); }
  @tool({ http: '/shop/slow' })
  async slow(): Promise<void> { await new Promise((done) => setTimeout(done, 20_000)); }
}
