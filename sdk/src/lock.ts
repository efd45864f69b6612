// The lock client: the lock is held while a function runs.
import type * as api from '../dist/index';
import { call } from './host';

class Client implements api.Lock {
  constructor(private readonly name: string, private readonly shared: boolean) {}

  async hold<R>(work: (fence: bigint) => Promise<R> | R): Promise<R> {
    const what = { name: this.name, shared: this.shared };
    const { id, fence } = await call('lock.take', what);
    try {
      return await work(BigInt(fence));
    } finally {
      await call('lock.drop', { id, ...what });
    }
  }
}

export const lock: typeof api.lock = (name: string, mode: 'r' | 'rw' = 'rw') => new Client(name, mode === 'r');
