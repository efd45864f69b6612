import { tool } from '@aria/sdk';

export class Nap {
  /** Wait a while. */
  @tool()
  async nap(ms: number): Promise<string> {
    await new Promise((done) => setTimeout(done, ms));
    return 'rested';
  }
}
