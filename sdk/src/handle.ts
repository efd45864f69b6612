// What a handle opens, known outside of its class: transactions take handles.
export interface Opened { ns: string; writes: boolean }

const opened = new WeakMap<object, Opened>();

export function open<T extends object>(handle: T, what: Opened): T {
  opened.set(handle, what);
  return handle;
}

export function openedBy(handle: object): Opened | undefined {
  return opened.get(handle);
}
