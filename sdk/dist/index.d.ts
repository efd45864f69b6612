/**
 * @aria/sdk: what a unit of Aria is written with.
 *
 * Decorators only mark; `arc build` reads them together with the types and the
 * JSDoc around them. Handles such as `kv` are permission and client in one: what
 * a class can reach is what its handles say, and nothing else.
 */

/** A span of time: `'250ms'`, `'20s'`, `'5m'`, `'2h'`, `'7d'`. */
export type Dur = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

/** An amount of memory: `'64MiB'`, `'1GiB'`. */
export type Size = `${number}${'KiB' | 'MiB' | 'GiB'}`;

/** Provider and model: `'openai:gpt-4o-mini'`, `'local:planner'`. */
export type Model = `${string}:${string}`;

/**
 * What one run may cost at most, together with everything it calls. The worst case
 * of a turn is set aside before the model is asked, so it is never passed. What is
 * not stated is not bounded.
 */
export interface Budget {
  /** US dollars. */
  usd?: number;
  /** Model tokens, in and out together. */
  tokens?: number;
  time?: Dur;
  /** Turns of models. */
  steps?: number;
}

/* ---- tools ---- */

/**
 * Options of a tool. All but the schemas can be overridden in `aria.toml`.
 *
 * With `input` the whole input is the one parameter, checked and transformed by
 * the schema before the method is called; what the method returns goes through
 * `output`. Reading such schemas runs code, so the build asks for consent:
 * `arc build --reflect`.
 *
 * ```ts
 * const Order = z.object({ id: z.string(), cents: z.number().int() });
 * export class Orders {
 *   @tool({ input: Order })
 *   async pay(order: z.infer<typeof Order>): Promise<boolean> { … }
 * }
 * ```
 */
/* ---- what starts a unit ---- */

/** Starts runs without anybody asking for them, and bounds how many go on at once. */
export interface StartOpts {
  /** Events, as `arc emit order.paid` sends them: `'event:order.paid'`. What comes with one is the input. */
  on?: `event:${string}` | readonly `event:${string}`[];
  /**
   * A schedule: at whole multiples of this time since 1970. Of `time` (RFC 3339), `day`
   * (`'2026-11-22'`) and `missed` (a number) it gives those that the input names.
   */
  every?: Dur;
  /** A schedule in five fields: `'0 7 * * 1-5'`. */
  cron?: string;
  /** Time zone of the schedule: `'Europe/Berlin'`; without it UTC. */
  zone?: string;
  /** What a schedule gives as input besides. */
  with?: { readonly [name: string]: unknown };
  /** A call over HTTP: `'POST /refund'` is served at `/hooks/refund`; the body is the input. */
  http?: `${'GET' | 'POST' | 'PUT' | 'DELETE'} /${string}` | `/${string}`;
  /** Name of the secret that signs these calls; without it callers bear the credential. */
  secret?: string;
  concurrency?: Concurrency;
}

/** How many runs of a unit go on at once. */
export interface Concurrency {
  /** Place in the input: runs with the same value there count together. Without it all do. */
  key?: `input.${string}`;
  /** 1 unless said otherwise. */
  max?: number;
  /** What becomes of one too many: it waits (default), the oldest goes, or it is refused. */
  then?: 'queue' | 'cancel-old' | 'refuse';
}

export interface ToolOpts<I extends StandardSchema | undefined = undefined, O extends StandardSchema | undefined = undefined> extends StartOpts {
  /** Says what comes in, which must be an object. Without it, the method's parameters do. */
  input?: I;
  /** Says what goes out. Without it, the method's result does. */
  output?: O;
  /** Unit name; without it, class and method: `orders.get`. */
  name?: string;
  /** What a model reads; without it, the text of the JSDoc comment. */
  description?: string;
  /** Wall time of one execution. */
  timeout?: Dur;
  /**
   * How long it may take to end by itself once it is cancelled or its time is up: 2 s
   * unless said otherwise. `'0s'`: it ends at once.
   */
  grace?: Dur;
  /** How often a failed execution is tried again. A TerminalError is not. */
  retries?: number;
  /** The same call twice does no more than once: retries are safe. */
  idempotent?: boolean;
  /**
   * A person must agree before another unit may run it: whoever `arc approve` knows
   * by that role. Without an answer in time the call fails with `timeout`, after a
   * refusal with `denied`.
   */
  approve?: boolean | { role?: string; timeout?: Dur };
  memory?: Size;
  /** Cores: `0.5` is half of one. */
  cpu?: number;
}

/**
 * A schema as a value, of any library that follows https://standardschema.dev:
 * zod, valibot, arktype and others.
 */
export interface StandardSchema<In = any, Out = any> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Out> | Promise<SchemaResult<Out>>;
    readonly types?: { readonly input: In; readonly output: Out } | undefined;
  };
}

/** What a {@link StandardSchema} says of a value. */
export type SchemaResult<Out> =
  | { readonly value: Out; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };

/** What goes into a schema. */
export type SchemaInput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['input'];
/** What comes out of it. */
export type SchemaOutput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output'];

/** Decorates an async method that takes what a schema gives. */
export type SchemaToolDecorator<I extends StandardSchema, O extends StandardSchema | undefined> = <This, Result extends O extends StandardSchema ? SchemaInput<O> : unknown>(
  method: (this: This, input: SchemaOutput<I>) => Promise<Result>,
  context: ClassMethodDecoratorContext<This>,
) => void;

/** Decorates an async method that returns what a schema takes. */
export type SchemaResultDecorator<O extends StandardSchema> = <This, Args extends any[], Result extends SchemaInput<O>>(
  method: (this: This, ...args: Args) => Promise<Result>,
  context: ClassMethodDecoratorContext<This>,
) => void;

/** Decorates an async method. */
export type ToolDecorator<I extends StandardSchema | undefined = undefined, O extends StandardSchema | undefined = undefined> =
  I extends StandardSchema ? SchemaToolDecorator<I, O> : O extends StandardSchema ? SchemaResultDecorator<O> : PlainToolDecorator;

/** Decorates an async method whose types are its schemas. */
export type PlainToolDecorator = <This, Args extends any[], Result>(
  method: (this: This, ...args: Args) => Promise<Result>,
  context: ClassMethodDecoratorContext<This, (this: This, ...args: Args) => Promise<Result>>,
) => void;

/**
 * Makes a method a tool. Its parameters and its result are its schema.
 *
 * ```ts
 * export class Clock {
 *   /** What time is it? *\/
 *   @tool()
 *   async now(zone = 'UTC'): Promise<string> { … }
 * }
 * ```
 */
export const tool: {
  <I extends StandardSchema | undefined = undefined, O extends StandardSchema | undefined = undefined>(opts?: ToolOpts<I, O>): ToolDecorator<I, O>;
  /** A tool without a class: `export const hello = tool.fn(async (name: string) => …)`. */
  fn<I extends StandardSchema, Result>(
    fn: (input: SchemaOutput<I>) => Promise<Result>,
    opts: ToolOpts<I, StandardSchema<Result> | undefined> & { input: I },
  ): (input: SchemaOutput<I>) => Promise<Result>;
  fn<Args extends any[], Result>(
    fn: (...args: Args) => Promise<Result>,
    opts?: ToolOpts<undefined, StandardSchema<Result> | undefined>,
  ): (...args: Args) => Promise<Result>;
};

/* ---- agents, teams, pipelines ---- */

declare const io: unique symbol;

/** An agent that takes `In` and answers `Out`. */
export abstract class Agent<In = string, Out = string> {
  readonly [io]: [In, Out];
  /** What the model is told; a constant string. */
  abstract instructions: string;
}

/** Agents that work together. */
export abstract class Team<In = string, Out = string> {
  readonly [io]: [In, Out];
}

/** Steps with an order (`@step`), or one `run(input)` method. */
export abstract class Pipeline<In = void, Out = void> {
  readonly [io]: [In, Out];
}

export type ToolboxClass = new () => object;
export type AgentClass = abstract new () => Agent<any, any>;
export type TeamClass = abstract new () => Team<any, any>;
export type PipelineClass = abstract new () => Pipeline<any, any>;

/**
 * What an agent may call: a class (all its tools), one method
 * (`Orders.prototype.get`), a `tool.fn`, another agent, a unit of another bundle by
 * name, or all registered units that a pattern fits: `'acme/*@^1#orders.*'`. Of many
 * the model is offered what fits the request, and a tool to search for more.
 */
export type Ref =
  | ToolboxClass
  | AgentClass
  | TeamClass
  | PipelineClass
  | ((...args: any[]) => Promise<any>)
  | `${string}@${string}#${string}`;

export interface AgentOpts extends StartOpts {
  name?: string;
  description?: string;
  model: Model;
  tools?: readonly Ref[];
  /** Model turns before the run is stopped. */
  maxSteps?: number;
  budget?: Budget;
  /** Gives the agent tools to remember things of its user, and to recall them. */
  memory?: boolean;
  /**
   * The model writes TypeScript that calls the tools, several in one turn. Each
   * program runs in a fresh container that can do nothing but call these tools.
   */
  code?: boolean;
}

/** Marks a class that extends {@link Agent}. */
export function agent(opts: AgentOpts): (cls: AgentClass, context: ClassDecoratorContext) => void;

export interface TeamOpts extends StartOpts {
  name?: string;
  description?: string;
  /** Agents; teams and pipelines too. */
  members: readonly (AgentClass | TeamClass | PipelineClass)[];
  /** Must be one of the members. */
  lead?: AgentClass;
  mode?: 'lead' | 'parallel' | 'sequence' | 'vote' | 'handoff';
  /** Turns of the lead; with mode `handoff`: hand-overs. */
  maxTurns?: number;
  /** What the members may use together. */
  budget?: Budget;
  /** Gives the members tools to write notes for one another, and to read them. */
  scratchpad?: boolean;
}

/** Marks a class that extends {@link Team}. */
export function team(opts: TeamOpts): (cls: TeamClass, context: ClassDecoratorContext) => void;

export interface PipelineOpts extends StartOpts {
  name?: string;
  description?: string;
}

/** Marks a class that extends {@link Pipeline}. */
export function pipeline(opts?: PipelineOpts): (cls: PipelineClass, context: ClassDecoratorContext) => void;

export interface StepOpts<Names extends string> {
  /** Steps whose results are the arguments, in this order. Without it: the pipeline's input. */
  after?: Names | readonly Names[];
  /** Runs only if the result of this step is truthy; else it and what comes after it are skipped. */
  when?: Names;
  /**
   * Runs once for every element of this step's result, at the same time; gives
   * the array of the results. The element stands in the place of the array in
   * `after`, or is the first argument.
   */
  each?: Names;
  /** A method that undoes it if the pipeline fails later: called with its result and its arguments. */
  undo?: Names;
  /** Runs although a step before it was skipped; that one's result is then null. */
  join?: boolean;
  retries?: number;
  timeout?: Dur;
}

/** Makes an async method a step. Names in `after` are checked against the class. */
export function step<const Names extends string = never>(
  opts?: StepOpts<Names>,
): <This extends { [name in Names]: (...args: any[]) => Promise<any> }, Result>(
  method: (this: This, ...args: any[]) => Promise<Result>,
  context: ClassMethodDecoratorContext<This>,
) => void;

/** What `use` hands out: agents, teams and pipelines have `run`, toolboxes their methods. */
export type Used<T> = T extends { readonly [io]: [infer In, infer Out] }
  ? { run(input: In): Promise<Out> }
  : { readonly [K in keyof T as T[K] extends (...args: any[]) => Promise<any> ? K : never]: T[K] };

/** Reaches another unit from a pipeline. */
export function use<C extends abstract new () => object>(cls: C): Used<InstanceType<C>>;

/* ---- waiting ---- */

/** What became of an {@link approval}. */
export interface Approval {
  /** Somebody agreed. */
  ok: boolean;
  by?: string;
  reason?: string;
  /** Nobody answered in time. */
  timeout?: boolean;
}

/**
 * Asks people for their agreement and waits for it, over days and restarts; the
 * container goes meanwhile. `arc approve RUN` answers.
 *
 * ```ts
 * const a = await approval('role:finance', { order }, { timeout: '7d' });
 * ```
 */
export function approval(role: string, data?: unknown, opts?: { timeout?: Dur }): Promise<Approval>;

/** Waits, over days and restarts; the container goes meanwhile. */
export function sleep(span: Dur): Promise<void>;

/* ---- kv ---- */

/**
 * `r` read, `s` read without ever waiting for a writer, `a` single atomic
 * operations beside others, `w` and `rw` sole writer while the execution runs.
 */
export type KvMode = 'r' | 's' | 'a' | 'w' | 'rw';

export interface KvEntry<T> {
  key: string;
  value: T;
  /** Rises by one with each write of the key. */
  version: number;
}

export interface KvListOpts {
  /** Only keys that begin so. */
  prefix?: string;
  /** Stop after so many entries. */
  limit?: number;
}

/** The reading half of a namespace. */
export interface KvRead<T> {
  /** The value, or undefined. */
  get(key: string): Promise<T | undefined>;
  /** Value and version, or undefined. */
  getEntry(key: string): Promise<KvEntry<T> | undefined>;
  /** Every entry in key order, fetched page by page. */
  list(opts?: KvListOpts): AsyncIterable<KvEntry<T>>;
  /** The same as an array of at most 10,000; more is an error. */
  entries(prefix?: string): Promise<KvEntry<T>[]>;
  /**
   * Changes of keys that begin with `prefix`, from now on, as long as the unit
   * runs. Each event is the newest state of a key: quick changes of one key may
   * come as one. A reader that falls some thousand changes behind gets one `gap`
   * and should read anew what it needs.
   *
   * ```ts
   * for await (const e of this.orders.watch('open/')) if (e.type === 'set') …
   * ```
   */
  watch(prefix?: string, opts?: KvWatchOpts): AsyncIterable<KvEvent<T>>;
  /** Reads of one moment, whatever is written meanwhile; for 10 seconds at most. */
  snapshot<R>(work: (s: KvSnapshot<T>) => Promise<R> | R): Promise<R>;
}

/** What can be read inside a snapshot. */
export type KvSnapshot<T> = Pick<KvRead<T>, 'get' | 'getEntry' | 'list' | 'entries'>;

export interface KvWatchOpts {
  /** Go on behind this place: `at` of an earlier event, also of another run. */
  since?: string;
  /** Begin with what is there now. */
  initial?: boolean;
}

export type KvEvent<T> =
  | { type: 'set'; key: string; value: T; version: number; at: string }
  | { type: 'delete'; key: string; at: string }
  /** Changes were missed: list again. */
  | { type: 'gap'; at: string };

/** Both halves. */
export interface KvWrite<T> extends KvRead<T> {
  /** Stores the value, gives its new version. */
  set(key: string, value: T, opts?: { ttl?: Dur }): Promise<number>;
  /**
   * Stores the value only if the key still has this version; 0 means that the key
   * must not exist. Gives the new version, throws {@link Conflict} otherwise.
   */
  cas(key: string, version: number, value: T): Promise<number>;
  /** True if there was something to delete. */
  delete(key: string): Promise<boolean>;
  /**
   * Reads, calls `change`, writes if nobody wrote in between, else begins again
   * (16 times at most, then {@link Conflict}). Returning undefined deletes.
   */
  update<R extends T | undefined>(key: string, change: (value: T | undefined) => R | Promise<R>): Promise<R>;
  /** {@link kv.tx} over this handle alone. */
  tx<R>(work: (t: KvTx<T>) => Promise<R> | R): Promise<R>;
}

/** The reading half of a namespace inside a transaction. */
export interface KvTxRead<T> {
  /** The value as this transaction sees it: with its own writes. */
  get(key: string): Promise<T | undefined>;
  /** At most 1000 entries in key order, with this transaction's own writes. */
  list(prefix?: string): Promise<{ key: string; value: T }[]>;
}

/** A namespace inside a transaction: writes are kept back until it commits. */
export interface KvTx<T> extends KvTxRead<T> {
  set(key: string, value: T, opts?: { ttl?: Dur }): void;
  delete(key: string): void;
}

/** What a handle is inside a transaction. */
export type KvView<H> = H extends KvWrite<infer T> ? KvTx<T> : H extends KvRead<infer T> ? KvTxRead<T> : never;

export type Kv<T, M extends KvMode> = M extends 'r' | 's' ? KvRead<T> : KvWrite<T>;

/** How a token is held. */
export interface HandleOpts {
  /**
   * `'exec'` (the default): from before the unit starts until it ends. `'tx'`: the
   * unit may lock it and nobody is kept out until it does, inside a transaction
   * or for one operation; two units that lock in different orders can then be in
   * each other's way, and one of them gets the error `deadlock`.
   */
  hold?: 'exec' | 'tx';
  /** How long to wait for it, `'30s'`; without, as long as it takes. */
  wait?: string;
  /**
   * How long it may be had, `'10m'`: with `hold: 'tx'` each lock or transaction, else
   * all of it from the start. After that it is free for others, and its use fails
   * with the code `timeout`.
   */
  ttl?: string;
}

/**
 * A key-value namespace: permission `kv:NS:MODE` and its client in one. Name and
 * mode must be literals, because `arc build` reads them. Values are JSON (at most
 * 1 MiB), keys 1 to 512 bytes.
 *
 * ```ts
 * orders = kv<Order>('orders', 'rw');
 * ```
 */
export function kv<T, const M extends KvMode>(ns: string, mode: M, opts?: HandleOpts): Kv<T, M>;
export function kv<T>(ns: string, mode?: 'r' | 's', opts?: HandleOpts): KvRead<T>;
export function kv<T>(ns: string, mode: 'a' | 'w' | 'rw', opts?: HandleOpts): KvWrite<T>;
export namespace kv {
  /**
   * One transaction over several handles: what is written goes in together or not
   * at all, and only if nothing of what was read has changed; else `work` runs
   * again (16 times at most, then {@link Conflict}). So `work` should do nothing
   * but read and write through what it is given.
   *
   * ```ts
   * await kv.tx([this.orders, this.stock], async (orders, stock) => {
   *   const left = (await stock.get('tea')) ?? 0;
   *   stock.set('tea', left - 1);
   *   orders.set(id, { item: 'tea' });
   * });
   * ```
   */
  function tx<const H extends readonly KvRead<any>[], R>(
    handles: H,
    work: (...views: { [I in keyof H]: KvView<H[I]> }) => Promise<R> | R,
  ): Promise<R>;
  /** Reads of one moment over several handles; for 10 seconds at most. */
  function snapshot<const H extends readonly KvRead<any>[], R>(
    handles: H,
    work: (...readers: { [I in keyof H]: H[I] extends KvRead<infer T> ? KvSnapshot<T> : never }) => Promise<R> | R,
  ): Promise<R>;
}

/* ---- lock ---- */

/** A name to exclude others by. */
export interface Lock {
  /**
   * Runs `work` while no other execution holds the lock. With `{hold: 'tx'}` this
   * is where it is waited for; else the unit has it from its start to its end. In
   * one execution the lock does not keep parallel calls apart. `fence` rises with
   * each holder, for systems outside that can refuse late ones.
   */
  hold<R>(work: (fence: bigint) => Promise<R> | R): Promise<R>;
}

/**
 * A lock: permission `lock:NAME:rw`, or `lock:NAME:r` to share it with other
 * readers.
 *
 * ```ts
 * deploy = lock('deploy', 'rw', { hold: 'tx' });
 * ```
 */
export function lock(name: string, mode?: 'r' | 'rw', opts?: HandleOpts): Lock;

/* ---- vector ---- */

/** Like those of kv: `r`, `s` search, `a` write beside others, `w` and `rw` sole writer. */
export type VectorMode = 'r' | 's' | 'a' | 'w' | 'rw';

/** A document on its way in: with a text, with a vector, or with both. */
export interface VectorDoc<M> {
  /** 1 to 256 bytes; a document of the same id is replaced. */
  id: string;
  /** What it says, at most 32 KiB; its first words become the vector if none is given. */
  text?: string;
  vector?: ArrayLike<number>;
  /** Fields to filter by, at most 16 KiB of JSON. */
  meta?: M;
  /** Gone after so long. */
  ttl?: Dur;
}

/** A document that was found; `score` is the cosine, 1 is the same direction. */
export interface VectorHit<M> {
  id: string;
  score: number;
  meta: M;
  text?: string;
}

/** What one field is held against; a plain value means `eq`, a list means `in`. */
export type VectorTest<V> =
  | Extract<V, string | number | boolean | null>
  | (V extends readonly (infer E)[] ? Extract<E, string | number | boolean | null> : never)
  | readonly Extract<V, string | number | boolean | null>[]
  | {
      eq?: string | number | boolean | null;
      ne?: string | number | boolean | null;
      in?: readonly (string | number | boolean | null)[];
      nin?: readonly (string | number | boolean | null)[];
      gt?: number | string;
      gte?: number | string;
      lt?: number | string;
      lte?: number | string;
      exists?: boolean;
    };

/**
 * A filter: every field has to pass. Of a list in the metadata one member has to.
 * Texts are compared by their bytes, so ISO dates have an order.
 */
export type VectorWhere<M> = { [F in keyof M]?: VectorTest<NonNullable<M[F]> | (null extends M[F] ? null : never)> } & {
  $and?: readonly VectorWhere<M>[];
  $or?: readonly VectorWhere<M>[];
  $not?: VectorWhere<M>;
};

export interface VectorQuery<M> {
  text?: string;
  vector?: ArrayLike<number>;
  /** How many at most, 1 to 200; 10 if not given. */
  k?: number;
  where?: VectorWhere<M>;
  /** Leave out what scores less. */
  min?: number;
}

export interface VectorRead<M> {
  /** The nearest documents, nearest first. A string is a text. */
  query(q: string | VectorQuery<M>): Promise<VectorHit<M>[]>;
  /** One document with its vector, or undefined. */
  get(id: string): Promise<{ id: string; meta: M; text?: string; vector: Float32Array } | undefined>;
  /** How many documents there are. */
  count(): Promise<number>;
}

export interface VectorWrite<M> extends VectorRead<M> {
  /** Stores documents over those of the same ids; up to 500 at once are all or nothing. */
  upsert(docs: VectorDoc<M> | readonly VectorDoc<M>[]): Promise<void>;
  /** How many of them were there. */
  delete(ids: string | readonly string[]): Promise<number>;
}

export type Vector<M, Mode extends VectorMode> = Mode extends 'r' | 's' ? VectorRead<M> : VectorWrite<M>;

export interface VectorOpts extends HandleOpts {
  /** How many numbers a vector has; vectors of another size are refused. */
  dims?: number;
  /**
   * Makes vectors of texts in place of the embedder that is built in (English, 512
   * numbers), for example with a provider's API.
   */
  embed?: (texts: string[]) => Promise<ArrayLike<number>[]>;
}

/**
 * Documents found by nearness: permission `vector:NAME:MODE` and its client. Texts
 * become vectors without any key or network. All vectors of a store come from one
 * embedder.
 *
 * ```ts
 * docs = vector<{ lang: string; year: number }>('docs', 'rw');
 * await this.docs.upsert({ id: 'a', text: 'How to brew tea', meta: { lang: 'en', year: 2024 } });
 * await this.docs.query({ text: 'making tea', where: { year: { gte: 2020 } } });
 * ```
 */
export function vector<M extends object, const Mode extends VectorMode>(name: string, mode: Mode, opts?: VectorOpts): Vector<M, Mode>;
export function vector<M extends object = Record<string, never>>(name: string, mode?: 'r' | 's', opts?: VectorOpts): VectorRead<M>;
export function vector<M extends object = Record<string, never>>(name: string, mode: 'a' | 'w' | 'rw', opts?: VectorOpts): VectorWrite<M>;

/* ---- queue ---- */

/** `r`, `s` look, `a` push and claim beside others, `w` and `rw` alone. */
export type QueueMode = 'r' | 's' | 'a' | 'w' | 'rw';

export interface QueuePushOpts {
  /** Not before so long. */
  delay?: Dur;
  /** A second push with the same text within a day is none. */
  once?: string;
  /** Deliveries before the item is put aside as dead; 5 if not given. */
  attempts?: number;
  /** What nobody has claimed by then is gone. */
  ttl?: Dur;
}

/** An item in this unit's hands, until it is answered for or its time is over. */
export interface QueueItem<T> {
  readonly id: number;
  readonly body: T;
  /** 1 at the first delivery. */
  readonly attempt: number;
  /** It is done. Throws {@link Conflict} if the claim ran out and another has it. */
  ack(): Promise<void>;
  /** It goes back, after `delay` or after 1 s, 2 s, 4 s …; true if it is dead now. */
  nack(opts?: { delay?: Dur; error?: string }): Promise<boolean>;
  /** More time, counted from now. */
  extend(visibility: Dur): Promise<void>;
}

export interface QueueClaimOpts {
  /** How long nobody else gets it; 30 s if not given, 12 h at most. */
  visibility?: Dur;
  /** How long to wait for one; not at all if not given. */
  wait?: Dur;
}

export interface QueueStats {
  waiting: number;
  delayed: number;
  claimed: number;
  dead: number;
  /** Age of the oldest that waits, in milliseconds. */
  oldestMs: number;
}

/** An item that was delivered too often. */
export interface QueueDead<T> {
  id: number;
  body: T;
  attempts: number;
  error: string;
  pushedAt: Date;
}

export interface QueueRead<T> {
  stats(): Promise<QueueStats>;
  dead(): AsyncIterable<QueueDead<T>>;
}

/** Delivery is at least once: an item whose unit ended without an answer comes back. */
export interface QueueWrite<T> extends QueueRead<T> {
  /** The item's id; with a known `once`, that of the item that was pushed first. */
  push(body: T, opts?: QueuePushOpts): Promise<number>;
  /** Up to 500 at once are all or nothing. */
  pushAll(bodies: readonly T[], opts?: Omit<QueuePushOpts, 'once'>): Promise<number[]>;
  /** The next item, or undefined. */
  claim(opts?: QueueClaimOpts): Promise<QueueItem<T> | undefined>;
  /** Up to `max` (100 at most) of those that are ready. */
  claimMany(max: number, opts?: QueueClaimOpts): Promise<QueueItem<T>[]>;
  /**
   * Claims one item after the other until none comes within `wait`: acknowledges
   * those for which `handle` returns, gives back those for which it throws, and
   * extends the claim while it runs. Gives the number of those that went well.
   */
  work(handle: (body: T, item: QueueItem<T>) => Promise<void> | void, opts?: QueueClaimOpts): Promise<number>;
  /** Lets dead items wait again; all, or those named. How many there were. */
  redrive(ids?: readonly number[]): Promise<number>;
  /** Deletes dead items; all, or those named. */
  discard(ids?: readonly number[]): Promise<number>;
}

export type Queue<T, Mode extends QueueMode> = Mode extends 'r' | 's' ? QueueRead<T> : QueueWrite<T>;

/**
 * A queue: permission `queue:NAME:MODE` and its client. Bodies are JSON, at most
 * 256 KiB. Mode `a` is what producers and consumers beside each other need.
 *
 * ```ts
 * jobs = queue<{ order: string }, 'a'>('jobs', 'a');
 * await this.jobs.work(async (job) => this.ship(job.order));
 * ```
 */
export function queue<T, const Mode extends QueueMode>(name: string, mode: Mode, opts?: HandleOpts): Queue<T, Mode>;
export function queue<T>(name: string, mode?: 'r' | 's', opts?: HandleOpts): QueueRead<T>;
export function queue<T>(name: string, mode: 'a' | 'w' | 'rw', opts?: HandleOpts): QueueWrite<T>;

/* ---- blob ---- */

/** `r`, `s` read, `a` write beside others, `w` and `rw` sole writer. */
export type BlobMode = 'r' | 's' | 'a' | 'w' | 'rw';

/** What can be stored: all at once, or piece by piece as it comes. */
export type Bytes = string | Uint8Array | ArrayBuffer | Blob | AsyncIterable<Uint8Array | string>;

export interface BlobStat {
  name: string;
  size: number;
  /** Of the content, in hex. */
  sha256: string;
  type?: string;
  writtenAt: Date;
}

export interface BlobRead {
  /** All of it, or undefined. */
  get(name: string): Promise<Uint8Array | undefined>;
  /** All of it as UTF-8 text, or undefined. */
  text(name: string): Promise<string | undefined>;
  /** Piece by piece, from `at` on; throws if it is not there, or is written anew meanwhile. */
  stream(name: string, opts?: { at?: number }): AsyncIterable<Uint8Array>;
  stat(name: string): Promise<BlobStat | undefined>;
  /** In the order of names. */
  list(prefix?: string): AsyncIterable<BlobStat>;
}

export interface BlobWrite extends BlobRead {
  /** Stores content of any size under a name, all or nothing. Readers see the old until it is there. */
  put(name: string, content: Bytes, opts?: { type?: string; ttl?: Dur }): Promise<BlobStat>;
  /** True if it was there. */
  delete(name: string): Promise<boolean>;
}

export type BlobStore<Mode extends BlobMode> = Mode extends 'r' | 's' ? BlobRead : BlobWrite;

/**
 * Bytes of any length, up to 4 GiB, under names: permission `blob:NAME:MODE` and
 * its client. The same content under several names is kept once.
 *
 * ```ts
 * reports = blob('reports', 'rw');
 * await this.reports.put('2026/november.pdf', bytes, { type: 'application/pdf' });
 * ```
 */
export function blob<const Mode extends BlobMode = 'r'>(name: string, mode?: Mode, opts?: HandleOpts): BlobStore<Mode>;

/* ---- fs ---- */

/** `r`, `s` read, `a` write beside others, `w` and `rw` sole writer. */
export type FsMode = 'r' | 's' | 'a' | 'w' | 'rw';

export interface FsStat {
  name: string;
  /** A folder is there as long as a file is in it. */
  dir: boolean;
  size: number;
  modifiedAt: Date;
}

/** Paths are relative to the volume: `a/b.txt`. */
export interface FsRead {
  /** All of the file, or undefined. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** All of the file as UTF-8 text, or undefined. */
  readText(path: string): Promise<string | undefined>;
  /** At most 3 MiB of it. */
  readAt(path: string, at: number, length: number): Promise<Uint8Array | undefined>;
  stat(path: string): Promise<FsStat | undefined>;
  /** What lies right in a folder; without one, in the volume. */
  list(dir?: string): Promise<FsStat[]>;
}

export interface FsWrite extends FsRead {
  /** Writes all of a file, all or nothing. */
  write(path: string, content: Bytes): Promise<void>;
  append(path: string, content: string | Uint8Array): Promise<void>;
  /** At most 3 MiB at a place of a file; what lies before it and was never written is zero. */
  writeAt(path: string, at: number, content: Uint8Array): Promise<void>;
  /** Removes a file, or with `all` a folder and what is in it; how many files. */
  remove(path: string, opts?: { all?: boolean }): Promise<number>;
  /** Moves a file over another, or a folder to where nothing is, at once. */
  rename(from: string, to: string): Promise<void>;
}

export type Fs<Mode extends FsMode> = Mode extends 'r' | 's' ? FsRead : FsWrite;

/**
 * A volume of files: permission `fs:/PATH:MODE` and its client. It is no mount:
 * every read and write is a question to the host, which holds it against the
 * tenant's quota. Files have at most 1 GiB.
 *
 * ```ts
 * work = fs('/data/reports', 'rw');
 * await this.work.write('2026/november.csv', 'a,b\n');
 * ```
 */
export function fs<const Mode extends FsMode = 'r'>(path: `/${string}`, mode?: Mode, opts?: HandleOpts): Fs<Mode>;

/* ---- net and secret ---- */

/** A credential by its name. Its value stays outside the container. */
export interface Secret {
  readonly name: string;
  /** Always refused, with a sentence that says what to do instead: bind it with `net(host, { auth })`. */
  value(): Promise<never>;
}

/**
 * The name of a credential, to be bound to a host: `net(host, { auth: secret('KEY') })`.
 * An operator sets its value with `arc secret set KEY`.
 */
export function secret(name: string): Secret;

/**
 * How a credential is added to requests, outside the container: a secret alone is
 * `Authorization: Bearer …`; `basic` is the password of `user`, or `user:password`
 * where no user is given.
 */
export type NetAuth =
  | Secret
  | { bearer: Secret }
  | { basic: Secret; user?: string }
  | { header: string; value: Secret }
  | { query: string; value: Secret };

export interface NetOpts {
  /** Added to requests for this host and port over https, and to no others. */
  auth?: NetAuth;
  /** Requests in a time: `'10/1m'`; who is over it waits. Through the global `fetch` over https each connection is one. */
  rate?: `${number}/${number}${'ms' | 's' | 'm' | 'h'}`;
  /** How long to wait for the rate, `'30s'`; without, as long as it takes. */
  wait?: string;
  /** How long after the start the host may be reached, `'10m'`. */
  ttl?: string;
}

/** One host, or all below one. */
export interface Net {
  /**
   * As the global `fetch`: a path is taken below the host. The request is made
   * outside the container; bodies of requests are at most 2 MiB, answers stream.
   * Redirects to other hosts need a token of their own. A request that changes
   * something gets an `Idempotency-Key` unless it has one, the same after a crash.
   */
  fetch(input: string | URL, init?: RequestInit): Promise<Response>;
}

/**
 * A host on the net: permission `net:HOST:PORT` and its client in one. The port is
 * 443 unless it is given (`'api.example.com:8443'`); `'http://api.example.com'` is
 * port 80. `'*.example.com'` is every name below it. With the permission the global
 * `fetch` reaches the host too, without a credential.
 *
 * ```ts
 * stripe = net('api.stripe.com', { auth: secret('STRIPE_KEY') });
 * // …
 * const res = await this.stripe.fetch('/v1/charges');
 * ```
 */
export function net(host: string, opts?: NetOpts): Net;

/* ---- llm ---- */

/** One entry of a conversation. */
export interface LlmMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  text?: string;
  /** Of an assistant: what it asked for, as the reply had it. */
  toolCalls?: readonly LlmToolCall[];
  /** Of a tool: whose result `text` is. */
  callId?: string;
  tool?: string;
  /** Of a tool: `text` says what went wrong. */
  failed?: boolean;
}

export interface LlmToolCall {
  id: string;
  name: string;
  /** The arguments as a value; undefined if the model wrote no JSON. */
  input: any;
  /** The arguments as the model wrote them. */
  arguments: string;
  /** The provider's own; goes back as it came. */
  signature?: string;
}

/** A tool that the model may ask for; calling it is up to the caller. */
export interface LlmTool {
  name: string;
  description?: string;
  /** JSON Schema of the one object it takes. */
  input?: object;
}

export interface LlmUsage {
  inputTokens: number;
  outputTokens: number;
  /** Of inputTokens: read from the provider's cache. */
  cachedTokens?: number;
  /** US dollars, where the price is known. */
  usd?: number;
}

export interface LlmReply {
  text: string;
  toolCalls: LlmToolCall[];
  /** Why it ended: it was done, waits for tools, was cut at its bound, or was refused. */
  stop: 'end' | 'tools' | 'length' | 'filter' | 'ask';
  usage: LlmUsage;
}

export interface LlmChatOpts {
  system?: string;
  tools?: readonly LlmTool[];
  toolChoice?: 'auto' | 'none' | 'required';
  /** JSON Schema that the text must satisfy. */
  schema?: object;
  /** The most tokens of the answer. */
  maxTokens?: number;
  temperature?: number;
}

/** The part of a Standard Schema (zod, valibot, arktype …) that is used. */
export interface LlmStandardSchema<T> {
  readonly '~standard': {
    validate(value: unknown): { value: T; issues?: undefined } | { issues: readonly { message: string }[] }
      | Promise<{ value: T; issues?: undefined } | { issues: readonly { message: string }[] }>;
  };
}

export interface LlmGenerateOpts<T> extends Omit<LlmChatOpts, 'tools' | 'toolChoice'> {
  /** Makes the value from the JSON or throws: a function, or a Standard Schema. */
  check?: ((value: any) => T) | LlmStandardSchema<T>;
}

/** A model, whatever dialect its provider speaks. */
export interface Llm {
  /** One turn. */
  chat(input: string | readonly LlmMessage[], opts?: LlmChatOpts): Promise<LlmReply>;
  /** The text of one turn; a cut or refused answer throws. */
  text(input: string | readonly LlmMessage[], opts?: LlmChatOpts): Promise<string>;
  /** A value. An answer that does not fit is asked for once more. */
  generate<T>(input: string | readonly LlmMessage[], opts?: LlmGenerateOpts<T>): Promise<T>;
  /** The embedding of a text, or of each of at most 2048. */
  embed(text: string): Promise<number[]>;
  embed(texts: readonly string[]): Promise<number[][]>;
}

export interface LlmOpts {
  /** Model tokens, in and out, that one run may use. */
  budget?: number;
  /** Requests in a time: `'10/1m'`. */
  rate?: `${number}/${number}${'ms' | 's' | 'm' | 'h'}`;
  /** Calls at the same time; without it one, and others wait. */
  concurrency?: number;
}

/**
 * A model of the models file: permission `llm:PROVIDER:MODEL` and its client in
 * one. The name must be a literal. The key stays outside the container.
 * `local:embed` needs no provider.
 *
 * ```ts
 * mini = llm('openai:gpt-4o-mini', { budget: 20_000 });
 * … await this.mini.text('Summarise: ' + report)
 * ```
 */
export function llm(model: Model, opts?: LlmOpts): Llm;

/* ---- log ---- */

/** Entries of the run's log; `fields` must be JSON. */
export const log: {
  debug(text: string, fields?: object): void;
  info(text: string, fields?: object): void;
  warn(text: string, fields?: object): void;
  error(text: string, fields?: object): void;
};

/* ---- the end ---- */

/**
 * Aborted when the run is cancelled or its time is up. What the unit waits for then
 * fails with code `cancelled`; what it asks from then on is served as ever, until its
 * `grace` is over and the container is killed. The result of a unit that was told to
 * end is not looked at. One that never asked for the signal and waits for nothing of
 * Aria's ends at once. The signal alone keeps no unit going.
 *
 * ```ts
 * try {
 *   for (const page of pages) {
 *     stopSignal().throwIfAborted();
 *     await this.work(page);
 *   }
 * } finally {
 *   await this.progress.set('page', done);
 * }
 * ```
 */
export function stopSignal(): AbortSignal;

/* ---- errors ---- */

/** One of the closed list of `docs/spec/errors.md`. */
export type Code =
  | 'invalid' | 'not_found' | 'unauthenticated' | 'denied' | 'conflict' | 'deadlock' | 'timeout' | 'cancelled'
  | 'exhausted' | 'unavailable' | 'interrupted' | 'diverged' | 'uncertain' | 'failed' | 'unimplemented' | 'internal';

/** An error with a code and, where there is one, what to do about it. */
export class AriaError extends Error {
  constructor(code: Code, message: string, opts?: { hint?: string; retryable?: boolean; cause?: unknown });
  readonly code: Code;
  readonly hint?: string;
  /** May the same again succeed? */
  readonly retryable: boolean;
}

/** Trying again cannot help: no retry is made. */
export class TerminalError extends AriaError {
  constructor(message: string, opts?: { code?: Code; hint?: string; cause?: unknown });
}

/** Somebody else wrote first. */
export class Conflict extends AriaError {
  constructor(message: string, opts?: { hint?: string; cause?: unknown });
}
