import type * as api from '../dist/index';
import { host } from './host';

let never: AbortSignal | undefined;

export const stopSignal: typeof api.stopSignal = () => host()?.stop?.() ?? (never ??= new AbortController().signal);
