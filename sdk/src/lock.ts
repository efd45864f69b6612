// The lock client: the lock is held while a function runs.
import type * as api from '../dist/index';
import { call } from './host';

class Client implements api.Lock {
  constructor(private readonly name: string, private readonly shared: boolean) {}

  async hold<R>(work: (fence: bigint) => Promise<R> | R): Promise<R> {
    const { id, fence } = await call('lock.take', { name: this.name, shared: this.shared });
    try {
      return await work(BigInt(fence));
    } finally {
      await call('lock.drop', { id });
    }
  }
}

export const lock: typeof api.lock = (name: string, mode: 'r' | 'rw' = 'rw') => new Client(name, mode === 'r');
